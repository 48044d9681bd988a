"""A student's script that trains the same network: the baseline of `benchmarks.training.epoch`.

    python -m benchmarks.training.plain_script PHOTOS 6

trains on 6 batches after a first that is not counted, and prints the photos/s.
"""

import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from trainer.model.resnet import ResNet


def main(folder: str, batches: int) -> None:
    """Train on the first batches and print how many photos a second were seen."""
    transform = transforms.Compose(
        [
            transforms.Resize((256, 256)),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    dataset = ImageFolder(f"{folder}/train", transform)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=2)
    model = ResNet(nn.BatchNorm2d)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    start = 0.0
    for step, (photos, labels) in enumerate(loader):
        if step == 1:
            start = time.perf_counter()
        optimizer.zero_grad()
        loss = criterion(model(photos), labels)
        loss.backward()
        optimizer.step()
        if step == batches:
            break
    print(32 * batches / (time.perf_counter() - start))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
