/** Where the page is: at the root of its server, or, behind a proxy, below a path. */

/** The address of something beside the page: `place("demo/config")`, `place("?room=x")`, `place("")`. */
export function place(relative: string): string {
  return new URL(`./${relative}`, location.href).href;
}
