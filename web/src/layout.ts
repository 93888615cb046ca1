/** Where tiles go: as large as can be, in a shape that suits faces. */

const WIDEST = 16 / 9;
/** The narrowest shape, on a screen that lies and on one that stands. */
const LYING = 6 / 5;
const STANDING = 3 / 4;
const GAP = 12;
/** Below this height (pixels) faces are lost; the grid scrolls instead. */
const LOWEST = 110;

export interface Fit {
  columns: number;
  width: number;
  height: number;
}

/** The size of each of `count` tiles in an area of that many pixels. */
export function fit(count: number, areaWidth: number, areaHeight: number): Fit {
  const narrowest = areaWidth > areaHeight ? LYING : STANDING;
  let best: Fit = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (areaWidth - GAP * (columns - 1)) / columns;
    const cellHeight = Math.max((areaHeight - GAP * (rows - 1)) / rows, LOWEST);
    const shape = Math.min(WIDEST, Math.max(narrowest, cellWidth / cellHeight));
    const width = Math.floor(Math.min(cellWidth, cellHeight * shape));
    const height = Math.floor(Math.min(cellHeight, width / shape));
    if (width * height > best.width * best.height) best = { columns, width, height };
  }
  return best;
}

/** Keeps the children of `grid` fitted to it while it changes; the result stops. */
export function keepFitted(grid: HTMLElement): { update: () => void; close: () => void } {
  const update = () => {
    const { columns, width, height } = fit(grid.childElementCount, grid.clientWidth, grid.clientHeight);
    // Rows break where they were planned to, even if one more would fit.
    const used = columns * width + (columns - 1) * GAP;
    grid.style.setProperty("padding-inline", `${Math.max(0, (grid.clientWidth - used) / 2 - 1)}px`);
    grid.style.setProperty("--tile-width", `${width}px`);
    grid.style.setProperty("--tile-height", `${height}px`);
  };
  const observer = new ResizeObserver(update);
  observer.observe(grid);
  return { update, close: () => observer.disconnect() };
}
