"""The weight mirror's average, from the words of the paper and a list of all pairs of cells."""

import numpy as np

# Pixels, kernel, stride, padding, dilation, groups. On the second image some taps of the kernel
# reach past every edge and join no cells at all.
CONVOLUTIONS = [(4, 3, 1, 1, 1, 1), (2, 5, 1, 2, 1, 1), (5, 3, 2, 1, 1, 2), (4, 3, 1, 2, 2, 1)]


def averaged_covariances(pre, post, shape, stride=1, padding=0, dilation=1, groups=1):
    """Akrout et al. 2019, appendix D.2.

    "the covariance matrix of these zero-mean signals was estimated by multiplying them and
    averaging over the mini-batch. [...] we estimated the covariance associated with any given
    weight by averaging the estimated covariances over the pairs of inputs and outputs it connected"
    """
    pre, post = pre - pre.mean(axis=0), post - post.mean(axis=0)
    averages = np.zeros(shape)
    for out, within, down, right in np.ndindex(*shape):
        source = out // (shape[0] // groups) * shape[1] + within
        covariances = []
        for row, column in np.ndindex(*post.shape[2:]):
            y = row * stride - padding + down * dilation
            x = column * stride - padding + right * dilation
            if 0 <= y < pre.shape[2] and 0 <= x < pre.shape[3]:
                covariances.append(np.mean(pre[:, source, y, x] * post[:, out, row, column]))
        averages[out, within, down, right] = np.mean(covariances) if covariances else 0
    return averages
