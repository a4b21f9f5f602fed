"""Names, ids and titles that random layouts of predictions draw from."""

import pyarrow as pa

CLASSES, COUNT, SEEDS = 5, 60, 3
NAMES: dict[str, list] = {
    "from 0": [0, 1, 2, 3, 4],
    "from 1": [1, 2, 3, 4, 5],
    "with gaps": [0, 7, 1000, 20000, 65000],
    "words": ["cat", "Dog two", "true", "3", "été"],
    "marks": ["a,b", 'say "hi"', "semi;colon", "tab-less|bar", "it's"],
    "scripts": ["猫", "🐶 dog", "שלום", "مرحبا", "e\u0301te\u0301"],
    "blanks": [" lead", "trail ", "mid  dle", "NA", "nullx"],
    "leading zeros": ["001", "002", "010", "100", "1000"],
    "formulas": ["=cmd|x", "+1+1", "@SUM(1)", "-2 deg", "'quoted'"],
    "paths": ["a/b", "a\\b", "C:\\x", "x/y/z", "..z"],
    "like numbers": ["1,5", "2,5", "3,5", "4,5", "5,5"],
    "like dates": ["2020-01-01", "2020-01-02", "12:30", "1e5", "0x10"],
    "like booleans": ["true", "false", "yes", "no", "True"],
}
IDS: dict[str, list] = {
    "files": [f"img {i:03d}.jpg" for i in range(COUNT)],
    "numbers": [3 * i - 30 for i in range(COUNT)],
    "large numbers": [10**15 + i for i in range(COUNT)],
    "leading zeros": [f"{i:05d}" for i in range(COUNT)],
    "like floats": [f"{i:04d}e5" for i in range(COUNT)],
    "marks": [f'ä/{i},"x" 猫' for i in range(COUNT)],
}
PATIENTS = [f"p{i // 4}" for i in range(COUNT)]
TITLES = {
    "example_id": ("id", "example_id", "file_name", "Image", "Image Path", "uid"),
    "label": ("label", "y_true", "Target", "true label", "Ground Truth", "gt"),
    "pred": ("pred", "y_pred", "Prediction", "predicted_class", "Predicted Label", "y_hat"),
    "p_true": ("p_true", "P_TRUE"),
    "p_max": ("p_max", "P_max", "Confidence", "probability"),
    "seed": ("seed", "Seed", "SEED"),
}
WHOLE = {pa.int8(): 7, pa.uint8(): 8, pa.float16(): 10, pa.int16(): 15, pa.uint16(): 16, pa.float32(): 20}
WHOLE |= {pa.int32(): 31, pa.uint32(): 32, pa.float64(): 50, pa.decimal128(18, 0): 59, pa.int64(): 63, pa.uint64(): 63}
WRITTEN = ("{}", "{}", "tensor({})", "np.int64({})", "[{}]", " {}", "{:.18e}")
"""How programs print a class number; text of it is the number."""
NUMBERED = (int, str, "{:05d}".format)
"""How programs write a whole number that is an id."""
