#!/usr/bin/env python3
"""Milliseconds a training step, a prediction, an epoch in Keras on TensorFlow; a line of JSON for each.

A step is forward, backward, the optimizer's update and the loss read back. It is a function of TensorFlow, as Keras'
guide to training loops of one's own has it, which is faster than `fit`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import harness
import keras
import tensorflow as tf
from keras import layers, losses, optimizers


def perceptron():
    return keras.Sequential([keras.Input((784,)), layers.Dense(10, activation="sigmoid", dtype="float32")])


def mlp():
    return keras.Sequential([
        keras.Input((784,)), layers.Dense(512, activation="sigmoid"), layers.Dense(512, activation="sigmoid"),
        layers.Dense(10, dtype="float32")])


def cnn():
    def normalised(layer):
        return [layer, layers.BatchNormalization(), layers.ReLU()]

    return keras.Sequential([
        keras.Input((28, 28, 1)), *normalised(layers.Conv2D(24, 5)), layers.MaxPooling2D(),
        *normalised(layers.Conv2D(48, 5)), layers.MaxPooling2D(), layers.Flatten(), *normalised(layers.Dense(512)),
        layers.Dense(10, dtype="float32")])


def lstm():
    return keras.Sequential([
        keras.Input((28, 28)), layers.Bidirectional(layers.LSTM(128)), layers.Dense(10, dtype="float32")])


def cam():
    parts = [keras.Input((32, 32, 3))]
    for filters in [32, 64, 128]:
        if filters > 32:
            parts.append(layers.MaxPooling2D())
        for _ in range(2):
            parts += [layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([*parts, layers.Conv2D(10, 1), layers.GlobalAveragePooling2D(dtype="float32")])


class Autoencoder(keras.Model):
    """784 -> 512 -> 2 means and 2 logarithms of variances -> 2 -> 512 -> 784."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(512, activation="relu")
        self.mean, self.log_variance = layers.Dense(2, dtype="float32"), layers.Dense(2, dtype="float32")
        self.raised = layers.Dense(512, activation="relu")
        self.drawn = layers.Dense(784, activation="sigmoid", dtype="float32")

    def call(self, images):
        hidden = self.hidden(images)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
        return self.drawn(self.raised(z)), mean, log_variance


def loss_of_autoencoder(labels, outputs, images):
    drawn, mean, log_variance = outputs
    error = tf.reduce_sum((drawn - images) ** 2, 1)
    divergence = tf.reduce_sum(tf.exp(log_variance) + mean**2 - log_variance - 1, 1)
    return tf.reduce_mean(error + divergence)


def squared_error(one_hot, outputs, images):
    return tf.reduce_mean((outputs - one_hot) ** 2)


def cross_entropy(labels, scores, images):
    return losses.SparseCategoricalCrossentropy(from_logits=True)(labels, scores)


def nesterov(rate):
    return lambda: optimizers.SGD(rate, momentum=0.9, nesterov=True)


# The network, a sample's shape, the loss, the optimizer, whether epochs are shuffled.
WORKLOADS = {
    "perceptron": (perceptron, (784,), squared_error, lambda: optimizers.SGD(0.5), False),
    "mlp": (mlp, (784,), cross_entropy, lambda: optimizers.SGD(1.0), False),
    "vae": (Autoencoder, (784,), loss_of_autoencoder, lambda: optimizers.Adam(0.001), True),
    "cnn": (cnn, (28, 28, 1), cross_entropy, nesterov(0.05), True),
    "lstm": (lstm, (28, 28), cross_entropy, nesterov(0.1), True),
    "cam": (cam, (32, 32, 3), cross_entropy, nesterov(0.1), True),
}


class Keras:
    description = f"keras {keras.__version__}, tensorflow {tf.__version__}"
    workloads = list(WORKLOADS)

    def __init__(self, mode, precision):
        self.uses_xla = mode == "xla"
        count = harness.thread_count()
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
        keras.utils.set_random_seed(0)
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")

    def training(self, name, batch):
        step, samples = self.step(name), self.samples(name, batch)
        return lambda: float(step(*samples)), lambda: None

    def step(self, name):
        make, shape, loss_of, make_optimizer, _ = WORKLOADS[name]
        model, optimizer = make(), make_optimizer()
        model(tf.zeros((1, *shape)))
        optimizer.build(model.trainable_variables)

        @tf.function(jit_compile=self.uses_xla)
        def step(images, labels):
            with tf.GradientTape() as tape:
                loss = loss_of(labels, model(images, training=True), images)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            return loss

        return step

    def samples(self, name, count):
        return tf.random.uniform((count, *WORKLOADS[name][1])), self.labels(name, count)

    def labels(self, name, count):
        labels = tf.random.uniform((count,), 0, 10, tf.int32)
        return tf.one_hot(labels, 10) if name == "perceptron" else labels

    def inference(self, name, batch):
        model, (images, _) = WORKLOADS[name][0](), self.samples(name, batch)
        model(images)
        forward = tf.function(lambda images: model(images, training=False), jit_compile=self.uses_xla)

        def call():
            outputs = forward(images)
            return (outputs[0] if isinstance(outputs, tuple) else outputs).numpy()

        return call, lambda: None

    def epoch(self, name, batch, step_count):
        """Samples in memory as bytes, by way of tf.data, which gathers and changes batches ahead of the steps."""
        step, shape, shuffles = self.step(name), WORKLOADS[name][1], WORKLOADS[name][4]
        count = step_count * batch
        pixels = tf.cast(tf.random.uniform((count, *shape), 0, 256, tf.int32), tf.uint8)
        labels = self.labels(name, count)
        change = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomZoom((-0.5, 0.5), (-0.5, 0.5))])

        def batch_of(places):
            images = tf.cast(tf.gather(pixels, places), tf.float32) * (1 / 255)
            return change(images, training=True) if name == "cam" else images, tf.gather(labels, places)

        places = tf.data.Dataset.range(count)
        if shuffles:
            places = places.shuffle(count)
        batches = places.batch(batch).map(batch_of, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        ready = self.samples(name, batch)

        def epoch():
            for images, targets in batches:
                float(step(images, targets))

        def steps():
            for _ in range(step_count):
                float(step(*ready))

        return epoch, steps


if __name__ == "__main__":
    chosen = harness.options(["graph", "xla"], ["float32", "bfloat16"], __doc__)
    harness.measure(Keras(chosen.mode, chosen.precision), chosen)
