"""Patterns of sentences and the words that fill them, for long texts that no model reads."""

from __future__ import annotations

from collections.abc import Mapping

from ctrbench_plugins.datasets.demo_words import split_words

SENTENCES: tuple[str, ...] = (
    "Love it!",
    "Great {thing}.",
    "Very {quality}.",
    'My {person} calls it "{quality}".',
    "\n\nPros: {quality} {part}.\nCons: {quality} {part}, {quality} {part}.",
    "{quality}, {quality} and {quality}!!",
    "I {did} this {thing} for my {person} {when}.",
    "My {person} {did} it {when} and {did} it again {when}.",
    "It is {degree} {quality}, but the {part} is {degree} {quality}.",
    "The {part} {acts} {manner} and the {part} {acts} {manner}.",
    "The {thing} came {when} in a {quality} {thing}, which my {person} {did}.",
    "Not {degree} what I {did}, yet {degree} {quality} for the {noun}.",
    "I have {number} of these, and every {part} {acts} {manner}.",
    "After {number} weeks the {part} {acts} {manner}; my {person} says it is {quality}.",
    "Would I {do} it again? {degree}, if the {noun} were {quality}.",
    "I wanted to {do} the {part}, so I {did} a {quality} {noun} from {place}.",
    "{number} stars because the {noun} at {place} was {quality}.",
    "Don't {do} the {part} {when}: it {acts} {manner}, and the {noun} is {quality}.",
    "You can {do} it {manner} {when}, or {do} it at {place} with a {noun}.",
    "We {did} the {noun} {manner}, {did} the {part}, and then my {person} {did} a {thing}.",
    "The {quality} {noun} that I {did} at {place} {when} {acts} {manner}.",
    "Compared with the {thing} from {place}, this {noun} {acts} {degree} {manner}.",
    "When my {person} {did} the {part}, a {quality} {noun} {acts} {manner}.",
    "For {number} dollars, {degree} a {quality} {thing} and a {quality} {part}.",
    "Customer service {did} my {noun} {when}; {degree} {quality} people at {place}.",
    "If you {do} {noun} or {noun} {when}, then {do} this {thing} {manner}.",
    "The café near {place} sells a {quality} {thing} – {degree} {manner}, my {person} says.",
    "I was {degree} {quality} until my {person} {did} the {part} {when}.",
)
"""Patterns of the sentences that long review texts are made of; no model reads them."""

SLOTS: Mapping[str, tuple[str, ...]] = {
    "thing": split_words(
        "product, item, gift, one, set, box, piece, card, purchase, order, package, replacement, present, bundle, "
        "model, version, kit, pair, sample, bag, brand, design, copy, bargain, upgrade, original, accessory, tool"
    ),
    "quality": split_words(
        "good, nice, great, small, perfect, comfortable, cheap, beautiful, soft, sturdy, large, light, easy, thin, "
        "solid, loud, clear, bright, heavy, cute, stiff, smooth, bulky, awful, decent, tight, loose, flimsy, rough, "
        "gorgeous, useless, simple, durable, terrible, fragile, tiny, fantastic, slow, quick, warm, cold, elegant, "
        "plain, noisy, quiet, fresh, sharp, blunt, shiny, dull, colorful, clever, awkward, generous, honest, faulty, "
        "reliable, ordinary, unusual, reasonable, disappointing, adjustable, lightweight, greasy, sticky, odd"
    ),
    "part": split_words(
        "size, color, quality, material, sound, strap, handle, label, zipper, lid, smell, finish, fit, stitching, "
        "cover, edge, button, sleeve, tuning, bottle, cap, track, surface, corner, string, bow, pocket, seam, waist, "
        "collar, texture, weight, length, battery, cable, hinge, bottom, lining, pattern, print, tone, volume, neck, "
        "bridge, voucher, envelope, code, pump, brush, bristle, scent, foam, shade, cushion, sole, heel, lace"
    ),
    "noun": split_words(
        "price, money, gift, time, party, birthday, school, hair, skin, music, money back, band, church, travel, "
        "weekend, delivery, wedding, holiday, practice, lesson, concert, shower, kitchen, review, picture, "
        "description, refund, season, dinner, album, song, guitar, shirt, dress, jacket, winter, summer, rain, "
        "station, problem, question, answer, experience, habit, reason, difference, choice, mistake, surprise, "
        "collection, memory, office, garden, morning, stage, studio, rehearsal, teacher, dentist, neighborhood"
    ),
    "person": split_words(
        "wife, husband, son, daughter, mom, friend, sister, brother, dad, niece, nephew, granddaughter, grandson, "
        "mother-in-law, boss, neighbor, teacher, boyfriend, girlfriend, cousin, aunt, uncle, roommate, dog, student"
    ),
    "did": split_words(
        "bought, ordered, used, loved, got, wore, received, wanted, tried, returned, needed, expected, opened, "
        "washed, played, gave, found, kept, sent, replaced, fixed, compared, wrapped, carried, recommended, hated, "
        "enjoyed, dropped, tested, noticed, lost, borrowed, painted, stored, cleaned, measured, broke, downloaded"
    ),
    "do": split_words(
        "buy, use, wear, wash, play, return, order, try, open, clean, keep, give, carry, store, tune, adjust, hold, "
        "recommend, charge, squeeze, fold, rinse, install, trust, replace, stretch, expect, hear, read, send, fix"
    ),
    "acts": split_words(
        "works, fits, looks, feels, sounds, broke, arrived, runs, stays, holds up, falls apart, smells, plays, "
        "stretches, fades, shines, wears out, sits, closes, hangs, moves, peels, rattles, lasts, shrinks, snaps, "
        "slips, bends, opens, leaks, vibrates, comes off, washes off, tears, scratches, dries"
    ),
    "manner": split_words(
        "well, perfectly, great, as described, nicely, like new, easily, badly, fine, quickly, too fast, in seconds, "
        "without any trouble, better than expected, just right, all day, every time, for hours, out of the box, "
        "poorly, slowly, on the first try, with some effort, at once, in the cold, by hand, beautifully, for years, "
        "in the dark, with care, twice a week, under pressure, more or less, straight away, at home, outdoors"
    ),
    "degree": split_words(
        "very, really, so, pretty, quite, a bit, too, extremely, not, almost, rather, super, just, definitely, "
        "somewhat, absolutely, hardly, surprisingly, incredibly, fairly, honestly, probably, still, truly, totally"
    ),
    "when": split_words(
        "last week, for Christmas, every day, a month ago, yesterday, in two days, this year, on time, last summer, "
        "after a week, for his birthday, right away, late, on Monday, in December, three times, before the trip, "
        "during the holidays, at night, over the weekend, in the morning, since 2014, for years, at the last minute, "
        "on our anniversary, once a month, in spring, the other day, a while back, early, already, every winter"
    ),
    "number": split_words("two, three, four, five, 3, 10, 20, six, 12, 25, 50, 100, eight, 15, 30, 7, 40, a dozen, 99"),
    "place": split_words(
        "Amazon, the store, home, the mall, work, the gym, church, school, a friend's house, the post office, the "
        "airport, the beach, the other seller, the factory, the theater, the salon, the club, the market, the office"
    ),
}
"""What fills the patterns, the commonest first."""
