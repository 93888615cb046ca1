/** A page that is reloaded in a conference goes back to it, without the lobby's questions. */

const KEY = "palaver.inside";

/** We are in this room from now on. */
export function wentIn(room: string): void {
  sessionStorage.setItem(KEY, room);
}

/** We left, or were taken out; not when the page is being unloaded. */
export function wentOut(): void {
  sessionStorage.removeItem(KEY);
}

/** Whether the page was reloaded while we were in this room. */
export function wasInside(room: string | undefined): boolean {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return room !== undefined && navigation?.type === "reload" && sessionStorage.getItem(KEY) === room;
}
