"""A program of anyone's: scikit-learn's multi-layer perceptron on its digits, with Mixup on the pixels.

It knows nothing of dropmix: it takes its settings from the command line and leaves a CSV file. It saves its place
every epoch and goes on from there when it is called again.
"""

import argparse
import pickle
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPRegressor

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, required=True, help="0 is no mixing")
parser.add_argument("--rate", type=float, required=True, help="share of the epochs' batches left unmixed")
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--output", type=Path, required=True)
asked = parser.parse_args()

images, labels = load_digits(return_X_y=True)
images, shares, test = images / 16, np.eye(10)[labels], np.arange(len(labels)) % 3 == 0
x, y = images[~test], shares[~test]
place = asked.output / "place.pkl"
network, first = MLPRegressor(hidden_layer_sizes=(32,), learning_rate_init=0.01, random_state=asked.seed), 0
if place.exists():
    network, first = pickle.loads(place.read_bytes())  # written by this program itself
for epoch in range(first, asked.epochs):
    rng = np.random.default_rng([asked.seed, epoch])
    for batch in np.array_split(rng.permutation(len(x)), 24):
        lam, partner = rng.beta(asked.alpha, asked.alpha) if asked.alpha else 1.0, rng.permutation(batch)
        lam = 1.0 if rng.random() < asked.rate else lam
        network.partial_fit(lam * x[batch] + (1 - lam) * x[partner], lam * y[batch] + (1 - lam) * y[partner])
    part = place.with_suffix(".part")
    part.write_bytes(pickle.dumps((network, epoch + 1)))
    part.replace(place)
    print(f"epoch {epoch + 1} of {asked.epochs}", flush=True)
scores = network.predict(images[test])
rows = np.stack([np.flatnonzero(test), labels[test], scores.argmax(1)], axis=1)
np.savetxt(asked.output / "predictions.csv", rows, "%d", ",", header="example_id,label,pred", comments="")
