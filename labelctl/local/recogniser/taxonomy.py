"""What the things that can be found are called in Rekognition's label set, and what they are kinds of.

One line a label: name | direct parents | category | aliases | what models call it, when that
differs. Model names are COCO's eighty, which most small detectors know; any other name passes
through in title case with no parents and no category. The lines follow label set 3.0 as the
service's documented and published answers show it; where those don't show a label's parents or
aliases, the line leaves them out rather than invent them.
"""

from __future__ import annotations

from dataclasses import dataclass

_TABLE = """
Person           |                         | Person Description          | Human
Head             | Person                  | Person Description
Face             | Head                    | Person Description
QR Code          |                         | Text and Documents

Transportation   |                         | Vehicles and Automotive
Vehicle          | Transportation          | Vehicles and Automotive
Aircraft         | Vehicle                 | Vehicles and Automotive
Airplane         | Aircraft                | Vehicles and Automotive     |            | aeroplane
Bicycle          | Vehicle                 | Vehicles and Automotive     | Bike
Boat             | Vehicle                 | Vehicles and Automotive
Bus              | Vehicle                 | Vehicles and Automotive
Car              | Vehicle                 | Vehicles and Automotive     | Automobile
Motorcycle       | Vehicle                 | Vehicles and Automotive     |            | motorbike
Train            | Vehicle                 | Vehicles and Automotive
Truck            | Vehicle                 | Vehicles and Automotive
Traffic Light    |                         | Transport and Logistics
Parking Meter    |                         | Transport and Logistics
Hydrant          |                         | Public Safety
Fire Hydrant     | Hydrant                 | Public Safety
Symbol           |                         | Symbols and Flags
Sign             | Symbol                  | Symbols and Flags
Road Sign        | Sign                    | Symbols and Flags
Stopsign         | Road Sign               | Symbols and Flags           |            | stop sign

Animal           |                         | Animals and Pets
Mammal           | Animal                  | Animals and Pets
Pet              | Animal                  | Animals and Pets
Canine           | Mammal                  | Animals and Pets
Livestock        | Mammal                  | Animals and Pets
Cattle           | Livestock               | Animals and Pets
Wildlife         | Animal                  | Animals and Pets
Bird             | Animal                  | Animals and Pets
Cat              | Mammal, Pet             | Animals and Pets
Dog              | Canine, Pet             | Animals and Pets
Horse            | Mammal                  | Animals and Pets
Sheep            | Livestock               | Animals and Pets
Cow              | Cattle                  | Animals and Pets
Elephant         | Mammal, Wildlife        | Animals and Pets
Bear             | Mammal, Wildlife        | Animals and Pets
Zebra            | Mammal, Wildlife        | Animals and Pets
Giraffe          | Mammal, Wildlife        | Animals and Pets

Clothing         |                         | Apparel and Accessories     | Apparel
Accessories      |                         | Apparel and Accessories     | Accessory
Bag              |                         | Apparel and Accessories
Backpack         | Bag                     | Apparel and Accessories
Handbag          | Accessories, Bag        | Apparel and Accessories
Formal Wear      |                         | Apparel and Accessories
Tie              | Accessories, Formal Wear| Apparel and Accessories     | Necktie
Baggage          |                         | Travel and Adventure        | Luggage
Suitcase         | Baggage                 | Travel and Adventure
Canopy           |                         | Everyday Objects
Umbrella         | Canopy                  | Everyday Objects
Bottle           |                         | Everyday Objects
Clock            |                         | Everyday Objects
Scissors         |                         | Tools and Machinery

Sport            |                         | Sports                      | Sports
Baseball         | Sport                   | Sports
Baseball Bat     | Baseball                | Sports
Glove            | Clothing                | Apparel and Accessories
Baseball Glove   | Baseball, Glove         | Sports
Ball             |                         | Sports                      |            | sports ball
Racket           |                         | Sports
Tennis Racket    | Racket                  | Sports
Skateboard       |                         | Sports
Surfboard        |                         | Sports
Skis             |                         | Sports
Snowboard        |                         | Sports
Toy              |                         | Toys and Gaming
Frisbee          | Toy                     | Toys and Gaming
Kite             | Toy                     | Toys and Gaming
Teddy Bear       | Toy                     | Toys and Gaming

Glass            |                         | Kitchen and Dining
Wine Glass       | Glass                   | Kitchen and Dining
Cup              |                         | Kitchen and Dining
Bowl             |                         | Kitchen and Dining
Cutlery          |                         | Kitchen and Dining
Fork             | Cutlery                 | Kitchen and Dining
Spoon            | Cutlery                 | Kitchen and Dining
Weapon           |                         | Weapons and Military
Blade            | Weapon                  | Weapons and Military
Knife            | Blade                   | Weapons and Military

Plant            |                         | Plants and Flowers
Potted Plant     | Plant                   | Plants and Flowers          |            | pottedplant
Food             |                         | Food and Beverage
Produce          | Food                    | Food and Beverage
Fruit            | Plant, Produce          | Food and Beverage
Vegetable        | Plant, Produce          | Food and Beverage
Citrus Fruit     | Fruit                   | Food and Beverage
Apple            | Fruit                   | Food and Beverage
Banana           | Fruit                   | Food and Beverage
Orange           | Citrus Fruit            | Food and Beverage
Broccoli         | Vegetable               | Food and Beverage
Carrot           | Vegetable               | Food and Beverage
Sandwich         | Food                    | Food and Beverage
Hot Dog          | Food                    | Food and Beverage
Pizza            | Food                    | Food and Beverage
Sweets           | Food                    | Food and Beverage           | Confectionery
Donut            | Sweets                  | Food and Beverage
Dessert          | Food                    | Food and Beverage
Cake             | Dessert                 | Food and Beverage

Furniture        |                         | Furniture and Furnishings
Bench            | Furniture               | Furniture and Furnishings
Chair            | Furniture               | Furniture and Furnishings
Couch            | Furniture               | Furniture and Furnishings   |            | sofa
Bed              | Furniture               | Furniture and Furnishings
Table            | Furniture               | Furniture and Furnishings
Dining Table     | Table                   | Furniture and Furnishings   |            | diningtable
Indoors          |                         | Home and Indoors
Room             | Indoors                 | Home and Indoors
Bathroom         | Room                    | Home and Indoors
Toilet           | Bathroom                | Home and Indoors
Sink             |                         | Home and Indoors
Pottery          |                         | Home and Indoors
Jar              |                         | Home and Indoors
Vase             | Jar, Pottery            | Home and Indoors

Electronics      |                         | Technology and Computing
Hardware         | Electronics             | Technology and Computing
Computer Hardware| Hardware                | Technology and Computing
Screen           | Electronics             | Technology and Computing
Monitor          | Computer Hardware, Screen | Technology and Computing
TV               | Monitor                 | Technology and Computing    | Television | tvmonitor
Computer         | Electronics             | Technology and Computing
Pc               | Computer                | Technology and Computing
Laptop           | Pc                      | Technology and Computing
Mouse            | Computer Hardware       | Technology and Computing
Computer Keyboard| Computer Hardware       | Technology and Computing    | Keyboard   | keyboard
Remote Control   | Electronics             | Technology and Computing    |            | remote
Phone            | Electronics             | Technology and Computing
Mobile Phone     | Phone                   | Technology and Computing    | Cell Phone | cell phone
Device           |                         | Home Appliances
Electrical Device| Device                  | Home Appliances
Appliance        | Electrical Device       | Home Appliances
Microwave        | Appliance               | Home Appliances
Oven             | Appliance               | Home Appliances
Toaster          | Appliance               | Home Appliances
Refrigerator     | Appliance               | Home Appliances
Blow Dryer       | Appliance               | Home Appliances             | Hair Drier | hair drier
Publication      |                         | Text and Documents
Book             | Publication             | Text and Documents
Toothbrush       |                         | Beauty and Personal Care
"""

COLOR_NAMES = (
    "Black", "Blue", "Gold", "Gray", "Green", "Maroon", "Orange",
    "Purple", "Red", "Silver", "Teal", "Turquoise", "White", "Yellow",
)  # fmt: skip
"""The colours that are labels in Rekognition's own set; each is a CSS colour of the same name."""


@dataclass(frozen=True)
class Meaning:
    """A label as Rekognition names it; `parents` are all its ancestors, in alphabetical order."""

    name: str
    parents: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def meaning_of(name: str) -> Meaning:
    """The label for what a detector or a model calls `name`, whatever its case or underscores."""
    plain = " ".join(name.replace("_", " ").split())
    known = _BY_MODEL_NAME.get(plain.lower())
    return known or Meaning(plain.title() if plain.islower() else plain)


def color_meaning(name: str) -> Meaning:
    """The label of a colour of `COLOR_NAMES`; "Orange" is the colour here, not the fruit."""
    return Meaning(name, categories=("Colors and Visual Composition",))


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip())


def _read_table() -> tuple[dict[str, Meaning], dict[str, Meaning]]:
    rows = [
        [cell.strip() for cell in (line + "||||").split("|")]
        for line in _TABLE.splitlines()
        if line.strip()
    ]
    direct = {name: _split(parents) for name, parents, *_ in rows}

    def ancestors(name: str) -> set[str]:
        return set(direct[name]).union(*(ancestors(parent) for parent in direct[name]))

    by_name, by_model_name = {}, {}
    for name, _, category, aliases, model_name, *_ in rows:
        meaning = Meaning(name, tuple(sorted(ancestors(name))), (category,), _split(aliases))
        by_name[name] = meaning
        for called in (name, model_name):
            if called:
                by_model_name[called.lower()] = meaning
    return by_name, by_model_name


_BY_NAME, _BY_MODEL_NAME = _read_table()

PERSON, HEAD, FACE, QR_CODE = (_BY_NAME[n] for n in ("Person", "Head", "Face", "QR Code"))
