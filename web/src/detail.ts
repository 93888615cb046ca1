/** How large a picture has to arrive for the place that it has on the screen. */

import type { Layer } from "palaver-client";

export interface Size {
  width: number;
  height: number;
}

/** How much a picture may be enlarged before it is worth a bigger one; that of a speaker is not enlarged. */
const ENLARGED = 1.5;

/** The pixels that a place of this size needs. */
export function needed(place: Size, speaking: boolean): Size {
  const scale = devicePixelRatio / (speaking ? 1 : ENLARGED);
  return { width: place.width * scale, height: place.height * scale };
}

/** The size of the smallest layer that fills `need`; undefined: no limit, as the largest does not or sizes are not known. */
export function limit(layers: readonly Layer[], need: Size): Size | undefined {
  const known = layers.map(({ size }) => size).filter((size) => size !== undefined);
  const bySize = known.sort((a, b) => a.width * a.height - b.width * b.height);
  const found = bySize.findIndex(({ width, height }) => width >= need.width && height >= need.height);
  return found === layers.length - 1 ? undefined : bySize[found];
}

/** More pixels than two by two for each of the page's are not seen, and a phone has three by three. */
const DENSEST = 2;
/** Shapes may differ by this much: sizes are even numbers. */
const ALIKE = 0.02;
/** Another size is worth a change, which costs a key frame, if it has so many times more or fewer pixels. */
const WORTH = 1.5;

const pixels = ({ width, height }: Size) => width * height;

/** The smallest of a view's sizes that fills `place`, given in the page's pixels; its `own`, if none of the `others` does. */
export function fitting(own: Size, others: readonly Size[], place: Size): Size {
  const density = Math.min(devicePixelRatio, DENSEST);
  const shape = own.width / own.height;
  const able = others.filter(
    ({ width, height }) =>
      Math.abs(width / height / shape - 1) < ALIKE &&
      width < own.width &&
      width >= place.width * density &&
      height >= place.height * density,
  );
  return able.sort((a, b) => pixels(a) - pixels(b))[0] ?? own;
}

/** Whether going over from one size to another is worth it. */
export function worthwhile(now: Size, next: Size): boolean {
  const ratio = pixels(next) / pixels(now);
  return ratio >= WORTH || ratio <= 1 / WORTH;
}
