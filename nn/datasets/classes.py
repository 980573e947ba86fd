"""What the labels mean."""

from collections.abc import Mapping

_DIGITS = tuple("0123456789")

# By the function that reads the data set: the name of class k is at index k.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    "digits": _DIGITS,
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    # The sounds of お, き, す, つ, な, は, ま, や, れ, を: one character from each row of
    # the table of hiragana.
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    "mnist": _DIGITS,
}
