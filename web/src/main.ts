/** The way through the page: lobby, conference, farewell. */

import { type Conference, type Ending, join } from "palaver-client";
import { closed, offline, refused } from "./closed.js";
import { Devices } from "./devices.js";
import { demoPass, type Entrance, findEntrance, guestPass, inviteLink, type Pass } from "./entrance.js";
import { farewell } from "./farewell.js";
import { invitedTo, type JoinForm, lobby, type Screen } from "./lobby.js";
import { place } from "./place.js";
import { wasInside, wentIn, wentOut } from "./reloading.js";
import { Stage } from "./stage.js";
import { explained } from "./words.js";

let screen: Screen | undefined;
let devices = new Devices();

function change(next: Screen): void {
  screen?.close();
  screen = next;
  document.getElementById("app")?.replaceChildren(next.element);
}

async function pass(entrance: Entrance, form: JoinForm): Promise<Pass> {
  if (entrance.way === "token") return { token: entrance.token, room: undefined };
  if (entrance.way === "invite") return guestPass(entrance.code, form.user);
  return demoPass(form.room, form.user);
}

async function enter(entrance: Entrance, form: JoinForm): Promise<void> {
  let conference: Conference;
  let room: string | undefined;
  try {
    const { token, room: name } = await pass(entrance, form);
    conference = await join(token, { portal: place("") });
    room = name;
  } catch (error) {
    throw new Error(explained(error), { cause: error });
  }
  // A used token is of no more use in the address; a room's name is.
  history.replaceState(null, "", room ? inviteLink(room) : place(""));
  document.title = room ? `${room} · Palaver` : "Palaver";
  change(new Stage(conference, devices, room));
  if (room) wentIn(room);
  let unloading = false;
  const goodbye = () => {
    unloading = true;
    void conference.leave();
  };
  addEventListener("pagehide", goodbye);
  conference.on("ended", (ending) => {
    removeEventListener("pagehide", goodbye);
    if (!unloading) wentOut();
    over(entrance, form, ending);
  });
}

function over(entrance: Entrance, form: JoinForm, ending: Ending): void {
  const wanted = { mic: devices.wanted("mic"), camera: devices.wanted("camera") };
  devices.stop();
  devices = new Devices(wanted);
  document.title = "Palaver";
  const rejoin = async () => {
    await devices.start();
    await enter(entrance, form);
  };
  change(farewell(ending, entrance.way === "token" ? undefined : rejoin));
}

const entrance = await findEntrance();
if (entrance.way === "closed") change(closed());
else if (entrance.way === "offline") change(offline());
else if (entrance.way === "refused") change(refused(entrance.reason));
else {
  change(lobby(entrance, devices, (form) => enter(entrance, form)));
  await devices.start();
  const room = entrance.way === "invite" ? entrance.room : entrance.way === "demo" ? invitedTo() : undefined;
  if (wasInside(room)) screen?.element.querySelector("form")?.requestSubmit();
}

// Another link that is opened in the same tab changes the address alone.
addEventListener("hashchange", () => {
  if (!(screen instanceof Stage)) location.reload();
});
