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
