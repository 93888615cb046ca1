export { Conference, type ConferenceEvents, type RecordingState, type TextMessage } from "./conference.js";
export { type Failure, PalaverError } from "./errors.js";
export { Emitter } from "./events.js";
export { type JoinOptions, join } from "./join.js";
export type { Kind } from "./kinds.js";
export { THREE_LAYERS } from "./layers.js";
export type { Deadlines, Ending } from "./portal.js";
export { Publication, type PublicationEvents, type PublishOptions } from "./publication.js";
export {
  type Layer,
  type LayerChoice,
  type Place,
  RoomStream,
  type SubscribeOptions,
  Subscription,
  type SubscriptionEvents,
} from "./stream.js";
export type {
  LayerInfo,
  OptionalInfo,
  ParticipantInfo,
  StreamInfo,
  SubscribeParameters,
  TrackInfo,
} from "./wire.gen.js";
