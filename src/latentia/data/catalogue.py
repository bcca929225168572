"""The named data sets: what they are, where they come from, and the size and SHA-256 of every file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A file of the catalogue: path below the data folder, size, checksum."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A named set. `kind` names its reader in `named`; `public` is an address with the same bytes, if any."""

    title: str
    kind: str
    splits: dict[str, int]
    columns: int
    values: str
    label: str
    source: str
    licence: str = "not stated"
    files: tuple[File, ...] = ()
    public: str = ""
    image_shape: tuple[int, ...] | None = None


def _idx(folder: str, *files: tuple[str, int, str]) -> tuple[File, ...]:
    return tuple(File(f"{folder}/{name}-ubyte.gz", size, digest) for name, size, digest in files)


def _table(title: str, rows: int, columns: int, label: str, source: str, file: File) -> Entry:
    return Entry(title, "table", {"train": rows}, columns, "real numbers", label, source, files=(file,))


def _sklearn(title: str, rows: int, columns: int, values: str, label: str, shape: tuple | None = None) -> Entry:
    source = "comes with scikit-learn; from the UCI Machine Learning Repository"
    return Entry(title, "sklearn", {"train": rows}, columns, values, label, source, "CC BY 4.0", image_shape=shape)


_MADE = "Larochelle and Murray, AISTATS 2011; Germain et al., MADE, ICML 2015"
_WINE = "Cortez et al. 2009, UCI Machine Learning Repository"

CATALOGUE: dict[str, Entry] = {
    "digits": _sklearn("Handwritten digits, 8 x 8", 1797, 64, "whole numbers 0..16", "digit", (8, 8)),
    "iris": _sklearn("Iris flowers", 150, 4, "centimetres", "species"),
    "wine": _sklearn("Chemistry of wines of three growers", 178, 13, "real numbers", "grower"),
    "breast_cancer": _sklearn("Breast cancer, Wisconsin (diagnostic)", 569, 30, "real numbers", "diagnosis"),
    "mnist": Entry(
        "MNIST, handwritten digits",
        "idx",
        {"train": 60000, "test": 10000},
        784,
        "grey levels 0..255",
        "digit",
        "LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86 (1998)",
        files=_idx(
            "mnist",
            ("train-images-idx3", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            ("train-labels-idx1", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ("t10k-images-idx3", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
        public="https://ossci-datasets.s3.amazonaws.com/mnist/",
        image_shape=(28, 28),
    ),
    "mnist_static": Entry(
        "MNIST, binarized once and for all",
        "static",
        {"train": 50000, "valid": 10000, "test": 10000},
        784,
        "bits 0 and 1",
        "digit",
        "Salakhutdinov and Murray, ICML 2008; Larochelle and Murray, AISTATS 2011",
        "MIT (repository)",
        (
            File(
                "mnist_static/binarized_mnist.npz",
                2543776,
                "f6ba00dee10662e3c5c0366eb2fa24fcd23f56815bf122de43cf7ed4ef2848b7",
            ),
        ),
        image_shape=(28, 28),
    ),
    "fashion_mnist": Entry(
        "Fashion-MNIST, pictures of clothing",
        "idx",
        {"train": 60000, "test": 10000},
        784,
        "grey levels 0..255",
        "kind of clothing, 0..9",
        "Xiao, Rasul, Vollgraf, arXiv:1708.07747 (2017)",
        "MIT (repository)",
        files=_idx(
            "fashion_mnist",
            ("train-images-idx3", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            ("train-labels-idx1", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
        public="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        image_shape=(28, 28),
    ),
    "omniglot": Entry(
        "Omniglot, 1623 characters, 28 x 28; not the split of the IWAE paper",
        "omniglot",
        {"train": 24345, "test": 8115},
        784,
        "grey levels 0..255, 255 = all ink",
        "character",
        "Lake, Salakhutdinov, Tenenbaum, Science 350 (2015)",
        "MIT (repository)",
        (
            File(
                "omniglot/omniglot_28_gray.npz",
                4150255,
                "bf0528c5bac952623cadf5aa95aa1e3d676f31c7fdd7a926d88e7c439b04fa5d",
            ),
        ),
        image_shape=(28, 28),
    ),
    "frey_faces": Entry(
        "Frey faces, 1965 frames of one face, in time order",
        "images",
        {"train": 1965},
        560,
        "grey levels 8..238",
        "",
        "Roweis and Saul, Science 290 (2000); Kingma and Welling, ICLR 2014",
        "MIT (repository)",
        (
            File(
                "frey_faces/frey_faces.npz",
                996890,
                "3c70375e0a9c4751ad49ad5f1f692bd094c46f133cf4aa8ea77d1cb14e1efcd1",
            ),
        ),
        image_shape=(28, 20),
    ),
    "olivetti": Entry(
        "Olivetti faces, 40 persons x 10 pictures",
        "images",
        {"train": 400},
        4096,
        "grey levels 0..242",
        "subject",
        "Samaria and Harter, IEEE WACV 1994 (AT&T Laboratories Cambridge)",
        files=(
            File(
                "olivetti/olivetti_faces.npz",
                1412959,
                "3e015e3b16585791b77ac8eba034de8c68f5678cf5255e4f03f5354ca6f8e4dc",
            ),
        ),
        image_shape=(64, 64),
    ),
    "cbcl_faces": Entry(
        "CBCL (MIT) faces, as scaled for non-negative matrix factorization",
        "images",
        {"train": 2429},
        361,
        "grey levels 0..255, rescaled and clipped",
        "",
        "CBCL Face Database #1 (2000); Lee and Seung, Nature 401 (1999)",
        files=(
            File(
                "cbcl_faces/cbcl_faces.npz",
                756327,
                "cf49164fc53bc83691a57cf58f9841fb555f4dcde228dd1f91f19ae8415f6852",
            ),
        ),
        image_shape=(19, 19),
    ),
    "wine_quality_red": _table(
        "Red wines: chemistry and quality",
        1599,
        11,
        "quality",
        _WINE,
        File(
            "tabular/winequality_red.csv.gz",
            23413,
            "9cf815a6f668444430c0f07f833953887625749828ffa80ae2f33bc44a46b4c3",
        ),
    ),
    "wine_quality_white": _table(
        "White wines: chemistry and quality",
        4898,
        11,
        "quality",
        _WINE,
        File(
            "tabular/winequality_white.csv.gz",
            68683,
            "9d909cec1f40a368ae471f0c3fbe735f5cb79761700c7d4312dcec98cf47a66a",
        ),
    ),
    "banknote": _table(
        "Banknotes, genuine and forged",
        1372,
        4,
        "class",
        "Lohweg 2012, UCI Machine Learning Repository",
        File("tabular/banknote.csv.gz", 19026, "bdf78f6cdeb9a18f72769288dd923d1e9ae435820bafba77939abd136faf86b7"),
    ),
    "wdbc": _table(
        "Breast cancer, Wisconsin (diagnostic), 1 = malignant",
        569,
        30,
        "class",
        "Street, Wolberg, Mangasarian 1993, UCI Machine Learning Repository",
        File("tabular/wdbc.csv.gz", 46870, "73cbf255ffbf1ed15aa7142c09f5fdf1d7e827bb8cc00796c3ca35db23f87c9e"),
    ),
    "dna": Entry(
        "DNA",
        "packed",
        {"train": 1400, "valid": 600, "test": 1186},
        180,
        "bits 0 and 1",
        "",
        _MADE,
        files=(File("binary_uci/dna.npz", 54325, "64bf516c30a1925ef578949e1e07f98c94375c27b481ff32fa10fad53ce87aca"),),
    ),
    "nips_0_12": Entry(
        "NIPS papers 0-12, words present or not",
        "packed",
        {"train": 400, "valid": 100, "test": 1240},
        500,
        "bits 0 and 1",
        "",
        _MADE,
        files=(
            File("binary_uci/nips.npz", 104104, "783647277464cbac95b49831827f3f6682422711c6fde3d2ddc48965ec029acb"),
        ),
    ),
}
