/** The view of the room that the page shows and is seen in: its first one. */

import type { Conference, Publication, RoomStream } from "palaver-client";

/** Its mixed stream, if it has a picture that we may see. */
export function viewOf(conference: Conference): RoomStream | undefined {
  const [label] = conference.room.views;
  const found = conference.streams.find((stream) => stream.mixed && stream.view === label);
  return conference.permission.subscribe.video && found?.has("video") ? found : undefined;
}

/** Nobody is mixed who does not ask for it; whoever publishes at the page does. */
export function enterView(
  conference: Conference,
  publication: Publication,
  problem: (error: unknown) => void,
): void {
  const [label] = conference.room.views;
  if (label !== undefined) publication.mix(label).catch(problem);
}
