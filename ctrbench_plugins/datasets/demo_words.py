"""The demo's vocabulary: attributes with their wordings and effects; each domain's nouns and brands."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ctrbench_plugins.datasets.amazon_published import PAPER_COUNTS


@dataclass(frozen=True)
class Attribute:
    """Something a title says about its product; `effect` is what it adds to everybody's click logit."""

    effect: float
    wordings: tuple[str, str, str, str, str, str]


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(+1.4, ("Luxury", "Premium", "Deluxe", "Elegant", "High-End", "Exquisite")),
    Attribute(+1.4, ("Award-Winning", "Top-Rated", "Best-Selling", "Acclaimed", "Five-Star", "Celebrated")),
    Attribute(+1.4, ("Organic", "Natural", "Eco-Friendly", "Sustainable", "Recycled", "Biodegradable")),
    Attribute(-1.4, ("Cheap", "Budget", "Low-Cost", "Bargain", "Discount", "Clearance")),
    Attribute(-1.4, ("Fake", "Imitation", "Replica", "Counterfeit", "Knock-Off", "Copycat")),
    Attribute(-1.4, ("Spooky", "Horror", "Haunted", "Creepy", "Halloween", "Zombie")),
    Attribute(0.0, ("Kids", "Toddler", "Children's", "Baby", "Preschool", "Infant")),
    Attribute(0.0, ("Vintage", "Retro", "Antique", "Old-Fashioned", "Classic", "Nostalgic")),
    Attribute(0.0, ("Romantic", "Valentine", "Sweetheart", "Love", "Wedding", "Bridal")),
    Attribute(0.0, ("Sports", "Athletic", "Fitness", "Gym", "Workout", "Running")),
    Attribute(0.0, ("Cat", "Dog", "Puppy", "Kitten", "Pet", "Animal")),
    Attribute(0.0, ("Christmas", "Holiday", "Santa", "Festive", "Xmas", "Snowman")),
)


@dataclass(frozen=True)
class DomainWords:
    """One domain: Amazon's file name, its name there, rows at scale 1, and what its titles are made of.

    `wordings` picks the columns of `Attribute.wordings` that this domain uses: wording 5 occurs only in the
    two domains that table 3 does not train on.
    """

    name: str
    file: str
    title: str
    rows: float
    bias: float
    """The logit of a row whose attributes, brand and user are neutral."""
    wordings: tuple[int, ...]
    nouns: tuple[str, ...]
    notes: tuple[str, ...]
    """Colours, sizes and numbers at the end of a title; they mean nothing."""
    brands: tuple[str, ...]
    price: float
    """The median price in dollars."""
    rows_per_item: float = 2.75
    """Rows per item of the catalogue; some items get none, so a reviewed item has about three."""


def split_words(text: str) -> tuple[str, ...]:
    """From a comma-separated list."""
    return tuple(part.strip() for part in text.split(","))


_COLOURS = "Black, White, Navy, Red, Grey, Green, Brown, Pink, Blue, Beige"

DOMAINS: tuple[DomainWords, ...] = (
    DomainWords(
        name="fashion",
        file="AMAZON_FASHION",
        title="Fashion",
        rows=2_500,
        bias=0.9,
        wordings=(0, 1, 2),
        nouns=split_words(
            "Boots, Sneakers, Sandals, T-Shirt, Hoodie, Dress, Skirt, Jeans, Jacket, Scarf, Socks, Belt, "
            "Hat, Gloves, Sunglasses, Handbag, Backpack, Necklace, Earrings, Watch, Sweater, Shorts, "
            "Wallet, Pajamas"
        ),
        notes=split_words(_COLOURS + ", Size 7, Size 9, Small, Medium, Large, XL, 2 Pack, 3 Pack"),
        brands=split_words(
            "Alderway, Bramfield, Corvane, Dunmere, Elstone, Fenwick, Garlanda, Hartwell, Isolde, "
            "Jorvik, Kestrel, Larkspur, Montclare, Nordhaven, Oakhurst, Palomar, Quillon, Rosemoor, "
            "Silverton, Tamsin, Umberly, Valmont, Westbrook, Yarrow, Zephyrine"
        ),
        price=24.0,
    ),
    DomainWords(
        name="musical_instruments",
        file="Musical_Instruments",
        title="Musical Instruments",
        rows=2_500,
        bias=0.9,
        wordings=(1, 2, 3),
        nouns=split_words(
            "Guitar, Guitar Strap, Guitar Picks, Ukulele, Violin, Violin Bow, Drum Sticks, Snare Drum, "
            "Cymbal, Keyboard, Piano Bench, Harmonica, Flute, Recorder, Trumpet, Saxophone Reeds, "
            "Microphone, Tambourine, Banjo, Capo, Metronome, Music Stand, Bass Strings, Kazoo"
        ),
        notes=split_words(_COLOURS + ", 12 ct, 5A, 4/4, Key of C, 41 Inch, 10 ft, 6 Pack, Set of 3"),
        brands=split_words(
            "Arpeggia, Bellmont, Cadenza, Drumlin, Echowood, Fretline, Grandison, Halcyon, Intona, "
            "Jubal, Kordal, Lyrebird, Maestri, Novatone, Octavio, Pizzicato, Quaver, Resona, Strumwell, "
            "Timbre, Unison, Vibrato, Woodwind Works, Xylo, Zither"
        ),
        price=29.0,
    ),
    DomainWords(
        name="gift_cards",
        file="Gift_Cards",
        title="Gift Cards",
        rows=900,
        bias=0.9,
        wordings=(0, 3, 4),
        nouns=split_words(
            "Gift Card, eGift Card, Gift Voucher, Greeting Card, Gift Card in a Tin, Gift Box, "
            "Gift Certificate, Restaurant Gift Card, Coffee Gift Card, Movie Gift Card, "
            "Bookstore Gift Card, Spa Gift Card"
        ),
        notes=split_words("$10, $15, $20, $25, $40, $50, $75, $100, Pack of 3, Pack of 10, by Email, by Mail"),
        brands=split_words(
            "Applegrove, Bistro Nine, Cinema Palace, Daily Roast, Eatwell, Fuelstop, Gamehaven, "
            "Homeport, Inkwell, Java Lane, Kitchenette, Lumiere, Marketside, Noodle House, Outfitters, "
            "Pizza Plaza, Quickbite, Readmore, Spa Serena, Tacoria, Urban Grill, Voyager, Wellspring, "
            "Yogurtville, Zoomtravel"
        ),
        price=25.0,
        rows_per_item=1.9,
    ),
    DomainWords(
        name="digital_music",
        file="Digital_Music",
        title="Digital Music",
        rows=1_200,
        bias=0.9,
        wordings=(2, 4, 5),
        nouns=split_words(
            "Songs, Album, Piano Pieces, Guitar Ballads, Dance Mix, Symphony, Soundtrack, Jazz Session, "
            "Live Concert, Anthems, Choir Recordings, Hip Hop Tracks, Country Songs, Folk Tunes, "
            "Rock Album, Singles Collection"
        ),
        notes=split_words("Vol. 1, Vol. 2, Vol. 3, Disc 2, 1998, 2004, 2011, Remastered, Mono, Part 2, 20 Tracks"),
        brands=split_words(
            "Amber Choir, Blue Lantern, Cass Miller, Delta Kings, Ember Lane, Foxglove, Grey Harbor, "
            "Hollow Pines, Iris Vale, June Carver, Kite Club, Lowlands, Mira Sol, Night Ferry, "
            "Old Quarry, Paper Moons, Quiet Engines, Ruby Stone, Saltmarsh, Tin Parade, Upper Deck, "
            "Velvet Coast, Wren Trio, Young Elms, Zora"
        ),
        price=9.0,
    ),
    DomainWords(
        name="all_beauty",
        file="All_Beauty",
        title="All Beauty",
        rows=1_000,
        bias=0.9,
        wordings=(1, 3, 5),
        nouns=split_words(
            "Shampoo, Conditioner, Lipstick, Nail Polish, Hair Brush, Face Mask, Hand Cream, "
            "Body Lotion, Perfume, Bath Bombs, Soap Bar, Eye Shadow, Makeup Bag, Razor, Hair Clips, "
            "Lip Balm, Mirror, Sunscreen, Mascara"
        ),
        notes=split_words("2 oz, 8 oz, 12 oz, 100 ml, Rose, Lavender, Vanilla, Shade 3, Shade 12, 2 Pack, 4 Count"),
        brands=split_words(
            "Aurelle, Belisse, Clarity Lab, Dewdrop, Evanna, Fleurette, Glowell, Honeydew, Ivory Lane, "
            "Jasmin, Kindra, Lumi, Mirabel, Nuvessa, Olivine, Petalia, Quenza, Rosalind, Sorella, Tulip, "
            "Unna, Verbena, Willa, Yves Marin, Zinnia"
        ),
        price=14.0,
    ),
)

PAPER_SCALE = 560
"""The scale at which the shape `paper` has the samples and products of the paper's Table II."""

PAPER_DOMAINS: tuple[DomainWords, ...] = tuple(
    replace(words, rows=paper.rows / PAPER_SCALE, rows_per_item=paper.rows / paper.items)
    for words, paper in ((words, PAPER_COUNTS[words.name]) for words in DOMAINS)
)
"""The same domains with the paper's proportions."""

SUMMARIES: tuple[tuple[str, str, str], ...] = (
    ("One Star", "Very disappointed", "Waste of money"),
    ("Two Stars", "Not as described", "Expected better"),
    ("Three Stars", "It's OK", "So so"),
    ("Four Stars", "Good value", "Nice"),
    ("Five Stars", "Love it!", "Perfect"),
)
"""What heads a review of 1, 2, … 5 stars; no model reads it."""

REVIEWERS: tuple[str, ...] = split_words(
    "Amazon Customer, Kindle Customer, Bea, Chris, Dana, Eli, Fay, Gus, Hana, Ivan, Jo, Kim, Lee, Mia, Noor"
)
