"""A generative adversarial network in one sitting: Algorithm 1 of the paper, written out by hand.

    python recipes/gan.py                      about a minute on a laptop
    python recipes/gan.py --steps 20 --tiny    a few seconds

The model is the VAE's without the noise: z ~ N(0, I), x = G(z). It has samples and no density, so there is no bound to
ascend. In its place stands a second network, the critic D, which learns to tell rows from samples:

    critic:     minimise  softplus(-D(x)) + softplus(D(G(z))) + r1 / 2 |dD/dx|^2      D(x) = logit of "a row"
    generator:  minimise  softplus(-D(G(z)))

Everything up to `main` is plain PyTorch. `main` then hands the same two networks to latentia, makes one step of each with the
same noise, and compares the weights; learns both ways; and counts the modes that are found. At the end the one thing that
is known about a critic is checked: on two fixed densities p and q the best one says p / (p + q).

Source: Goodfellow et al., "Generative adversarial nets", 2014; the penalty: Mescheder et al., 2018.
"""

import argparse
import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import latentia
from latentia.batch import TensorBatches
from latentia.learn import Adversarial
from latentia.models import Generator, StandardNormal

LATENT, HIDDEN, R1, RATE, BETAS = 4, 64, 0.1, 1e-3, (0.5, 0.99)
CENTRES = torch.tensor([[math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)] for k in range(8)])


def ring(n: int, seed: int = 0) -> Tensor:
    """Eight narrow normals on a circle, `(n, 2)`."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(8, (n,), generator=generator)
    return CENTRES[which] + 0.05 * torch.randn(n, 2, generator=generator)


def network(n_in: int, n_out: int) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(n_in, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_out)
    )


# --- the two players -------------------------------------------------------------------------------------------------


def critic_loss(critic: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    """What the critic loses; `fake` carries no gradient, so that the generator stays as it is."""
    real_score, fake_score = critic(x).squeeze(1), critic(fake.detach()).squeeze(1)
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    penalty = 0.5 * R1 * slope.square().sum(1).mean()
    return (softplus(-real_score) + softplus(fake_score)).mean() + penalty


def generator_loss(critic: nn.Module, fake: Tensor) -> Tensor:
    """What the generator loses; its gradient passes through the critic and moves the generator alone."""
    return softplus(-critic(fake).squeeze(1)).mean()


class ByHand:
    """Algorithm 1: a step of the critic, a step of the generator."""

    def __init__(self, generator: nn.Module, critic: nn.Module) -> None:
        self.generator, self.critic = generator, critic
        self.generator_adam = torch.optim.Adam(generator.parameters(), lr=RATE, betas=BETAS)
        self.critic_adam = torch.optim.Adam(critic.parameters(), lr=RATE, betas=BETAS)

    def step(self, x: Tensor) -> None:
        """One of each."""
        with torch.no_grad():
            fake = self.generator(torch.randn(len(x), LATENT))
        self.critic_adam.zero_grad()
        critic_loss(self.critic, x, fake).backward()
        self.critic_adam.step()
        self.generator_adam.zero_grad()
        generator_loss(self.critic, self.generator(torch.randn(len(x), LATENT))).backward()
        self.generator_adam.step()


def modes(x: Tensor) -> tuple[int, float]:
    """Centres with a sample within three standard deviations, and the share of such samples."""
    distance = torch.cdist(x, CENTRES).min(1)
    near = distance.values < 0.15
    return len(distance.indices[near].unique()), float(near.float().mean())


# --- the same, said with latentia's nouns ----------------------------------------------------------------------------


def as_latentia(generator: nn.Module, critic: nn.Module) -> tuple[Generator, Adversarial]:
    """The model, and the learner with its critic, which belongs to neither p nor q."""
    model = Generator(StandardNormal(LATENT), generator, (2,))
    return model, Adversarial(critic, "non-saturating", r1=R1, learning_rate=RATE, betas=BETAS, average=0.0)


def same_step(x: Tensor) -> float:
    """Largest difference of a weight after one step of each player, by hand and by latentia, with the same noise."""
    torch.manual_seed(0)
    generator, critic = network(LATENT, 2), network(2, 1)
    model, learner = as_latentia(copy.deepcopy(generator), copy.deepcopy(critic))
    batches = TensorBatches(x, batch_size=len(x))
    state = learner.init(model, batches)
    torch.manual_seed(1)
    learner.step(model, batches, state)
    torch.manual_seed(1)
    ByHand(generator, critic).step(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))])
    pairs = [
        *zip(generator.parameters(), model.parameters()),
        *zip(critic.parameters(), learner.critic.parameters()),
    ]
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def optimal_critic(steps: int) -> float:
    """Mean |D(x) - p/(p+q)| of a critic of N(0, 1) and N(1, 1.5^2), over draws of both."""
    torch.manual_seed(0)
    critic = network(1, 1)
    adam = torch.optim.Adam(critic.parameters(), lr=5e-3)
    for _ in range(steps):
        x, fake = torch.randn(512, 1), 1 + 1.5 * torch.randn(512, 1)
        adam.zero_grad()
        (softplus(-critic(x)) + softplus(critic(fake))).mean().backward()
        adam.step()
    x = torch.cat([torch.randn(5000, 1), 1 + 1.5 * torch.randn(5000, 1)])
    log_ratio = -0.5 * x**2 + 0.5 * ((x - 1) / 1.5) ** 2 + math.log(1.5)  # log p - log q
    return float((critic(x).sigmoid() - log_ratio.sigmoid()).detach().abs().mean())


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Learn both ways, print what was found, and return the numbers."""
    parser = argparse.ArgumentParser(description="Algorithm 1 of the GAN paper by hand, checked against latentia.")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--tiny", action="store_true", help="500 rows only")
    options = parser.parse_args(arguments)
    x = ring(500 if options.tiny else 20_000)
    numbers = {"same step": same_step(x[:100]), "optimal critic": optimal_critic(min(options.steps, 1000))}

    torch.manual_seed(0)
    by_hand = ByHand(network(LATENT, 2), network(2, 1))
    for _ in range(options.steps):
        by_hand.step(x[torch.randint(len(x), (128,))])
    numbers["modes by hand"], numbers["near by hand"] = modes(by_hand.generator(torch.randn(2000, LATENT)).detach())

    torch.manual_seed(0)
    model, learner = as_latentia(network(LATENT, 2), network(2, 1))
    fit = latentia.fit(model, learner, x, batch_size=128, max_steps=options.steps, max_epochs=10**6, device="cpu")
    numbers["modes"], numbers["near"] = modes(model.sample(2000))

    print(f"After one step with the same noise no weight differs by more than {numbers['same step']:.1e}.")
    print(f"A critic of two known normals is off p/(p+q) by {numbers['optimal critic']:.3f} in the mean.")
    print(f"By hand:  {numbers['modes by hand']} of 8 modes, {numbers['near by hand']:.0%} of the samples near one.")
    print(f"latentia: {numbers['modes']} of 8 modes, {numbers['near']:.0%} of the samples near one. {fit.status}")
    return numbers


if __name__ == "__main__":
    main()
