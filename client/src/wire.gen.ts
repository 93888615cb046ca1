// Made from wire.schema.json by `npm run wire`; not to be edited.

export type StreamControl = PauseStream | PlayStream | MixStream | UnmixStream | SetRegion | GetRegion;
export type SubscriptionControl = PauseSubscription | PlaySubscription | UpdateSubscription;
export type StreamInfo = ForwardStreamInfo | MixedStreamInfo;
export type ParticipantNotification = ParticipantJoin | ParticipantLeave;
export type StreamNotification = StreamAdd | StreamRemove | StreamUpdate;
export type ProgressNotification = SoacProgress | ReadyProgress | ErrorProgress;

/**
 * Everything that travels between a client and the portal.
 */
export interface PortalProtocol {
  requests: Requests;
  answers: Answers;
  notifications: Notifications;
}
/**
 * The data argument of each request, by event name; null: there is none.
 */
export interface Requests {
  login: LoginRequest;
  relogin: string;
  refreshReconnectionTicket: null;
  logout: null;
  publish: PublishRequest;
  unpublish: SessionRequest;
  subscribe: SubscribeRequest;
  unsubscribe: SessionRequest;
  soac: SoacRequest;
  "stream-control": StreamControl;
  "subscription-control": SubscriptionControl;
  text: TextRequest;
}
/**
 * The first request on a fresh socket. ``token`` was made by ``POST /v1/rooms/{id}/tokens``.
 */
export interface LoginRequest {
  token: string;
  userAgent: UserAgent;
  protocol: "1.0" | "1.1" | "1.2";
}
/**
 * What the client says about itself.
 */
export interface UserAgent {
  sdk: Sdk;
}
/**
 * Which client library speaks. ``type`` decides whether the session may be resumed.
 */
export interface Sdk {
  version: string;
  type: string;
}
/**
 * Announces what the next offer sends. ``attributes`` belong to the application; everybody sees them.
 *
 *     ``data`` is for data streams, which this server does not have: true is refused.
 */
export interface PublishRequest {
  media: PublishMedia;
  transport?: TransportRequest;
  data?: boolean | null;
  attributes?: {
    [k: string]: unknown;
  } | null;
}
/**
 * The tracks to publish.
 */
export interface PublishMedia {
  /**
   * @minItems 1
   * @maxItems 100
   */
  tracks: PublishTrack[];
}
/**
 * A section (``mid``) of the coming offer that will carry a track.
 */
export interface PublishTrack {
  type: "audio" | "video";
  mid: string;
  source?: "camera" | "encoded-file" | "mic" | "raw-file" | "screen-cast";
}
/**
 * The connection to use. Without ``id`` a new one begins, whose id is that of the new session.
 */
export interface TransportRequest {
  type?: string;
  id?: string | null;
}
/**
 * Ends a publication or a subscription.
 */
export interface SessionRequest {
  id: string;
}
/**
 * Announces what the next offer receives.
 */
export interface SubscribeRequest {
  media: SubscribeMedia;
  transport?: TransportRequest;
  data?: boolean | null;
}
/**
 * The tracks to receive.
 */
export interface SubscribeMedia {
  /**
   * @minItems 1
   * @maxItems 100
   */
  tracks: SubscribeTrack[];
}
/**
 * A section (``mid``) of the coming offer that will receive from a stream or from one of its tracks.
 */
export interface SubscribeTrack {
  type: "audio" | "video";
  mid: string;
  from: string;
  format?: FormatInfo;
  parameters?: SubscribeParameters;
}
/**
 * A codec by its lower-case name; ``profile`` is H264's, the other two are audio's.
 */
export interface FormatInfo {
  codec: string;
  profile?: string;
  sampleRate?: number;
  channelNum?: number;
}
/**
 * Wishes for a video track. ``bitrate`` is kbit/s or a multiplier such as "x0.8".
 *
 *     ``maxResolution`` and ``maxFramerate`` choose among layers and are no reason to refuse; OWT does not have them.
 */
export interface SubscribeParameters {
  resolution?: ResolutionInfo;
  framerate?: number;
  maxResolution?: ResolutionInfo;
  maxFramerate?: number;
  bitrate?: number | string;
  keyFrameInterval?: number;
}
/**
 * Picture size in pixels.
 */
export interface ResolutionInfo {
  width: number;
  height: number;
}
/**
 * Signalling of the connection ``id`` (a transport id).
 */
export interface SoacRequest {
  id: string;
  signaling: Offer | CandidateSignal | RemovedCandidates;
}
/**
 * A complete SDP offer of the connection.
 */
export interface Offer {
  type: "offer";
  sdp: string;
}
/**
 * A candidate that was found after the offer.
 */
export interface CandidateSignal {
  type: "candidate";
  candidate: Candidate;
}
/**
 * One ICE candidate; ``candidate`` may start with ``a=``.
 */
export interface Candidate {
  candidate: string;
  sdpMid?: string | null;
  sdpMLineIndex?: number | null;
}
/**
 * Candidates that no longer work; the server notices by itself and only acknowledges.
 */
export interface RemovedCandidates {
  type: "removed-candidates";
  candidates: Candidate[];
}
/**
 * Mutes tracks of an own stream for everybody.
 */
export interface PauseStream {
  operation: "pause";
  id: string;
  data: "audio" | "av" | "video";
}
/**
 * Unmutes tracks of an own stream.
 */
export interface PlayStream {
  operation: "play";
  id: string;
  data: "audio" | "av" | "video";
}
/**
 * Puts an own stream into the view whose label is ``data``.
 */
export interface MixStream {
  operation: "mix";
  id: string;
  data: string;
}
/**
 * Takes an own stream out of the view whose label is ``data``.
 */
export interface UnmixStream {
  operation: "unmix";
  id: string;
  data: string;
}
/**
 * Moves an own stream to a region of a view.
 */
export interface SetRegion {
  operation: "set-region";
  id: string;
  data: ViewRegion;
}
/**
 * A region of a view's layout.
 */
export interface ViewRegion {
  view: string;
  region: string;
}
/**
 * Asks where in the view ``data`` an own stream is shown.
 */
export interface GetRegion {
  operation: "get-region";
  id: string;
  data: string;
}
/**
 * Stops receiving some kinds of an own subscription.
 */
export interface PauseSubscription {
  operation: "pause";
  id: string;
  data: "audio" | "av" | "video";
}
/**
 * Receives again.
 */
export interface PlaySubscription {
  operation: "play";
  id: string;
  data: "audio" | "av" | "video";
}
/**
 * Changes what an own subscription receives, without a new offer.
 */
export interface UpdateSubscription {
  operation: "update";
  id: string;
  data: SubscriptionUpdate;
}
/**
 * What to change; absent members stay as they are.
 */
export interface SubscriptionUpdate {
  audio?: UpdateAudio;
  video?: UpdateVideo;
}
/**
 * Another source for the audio of a subscription.
 */
export interface UpdateAudio {
  from?: string;
}
/**
 * Another source or other wishes for the video of a subscription.
 */
export interface UpdateVideo {
  from?: string;
  parameters?: SubscribeParameters;
}
/**
 * ``to`` is a participant's id, or "all", which includes the sender.
 */
export interface TextRequest {
  to: string;
  message: string;
}
/**
 * The second argument of each request's acknowledgement when the first is "ok"; null: there is none.
 */
export interface Answers {
  login: LoginAnswer;
  relogin: string | Resumed;
  refreshReconnectionTicket: string;
  logout: null;
  publish: SessionAnswer;
  unpublish: null;
  subscribe: SessionAnswer;
  unsubscribe: null;
  soac: null;
  "stream-control": "ok" | RegionAnswer;
  "subscription-control": null;
  text: null;
}
/**
 * The answer to a login. ``id`` is the participant's; without a ticket the session cannot be resumed.
 */
export interface LoginAnswer {
  id: string;
  user: string;
  role: string;
  permission: PermissionInfo;
  room: RoomInfo;
  iceServers?: IceServerInfo[];
  reconnectionTicket?: string;
}
/**
 * What the participant may do.
 */
export interface PermissionInfo {
  publish: MediaGrant;
  subscribe: MediaGrant;
}
/**
 * Which kinds of media a permission covers.
 */
export interface MediaGrant {
  audio: boolean;
  video: boolean;
}
/**
 * The room at the moment of joining; ``participants`` includes the newcomer.
 */
export interface RoomInfo {
  id: string;
  views: string[];
  participants: ParticipantInfo[];
  streams: StreamInfo[];
  recording?: "paused" | "recording";
}
/**
 * A member of the room. ``user`` is the application's name for the person, not unique.
 */
export interface ParticipantInfo {
  id: string;
  user: string;
  role: string;
}
/**
 * A stream that somebody publishes.
 */
export interface ForwardStreamInfo {
  type: "forward";
  id: string;
  media: MediaInfo;
  info: ForwardInfo;
  data?: boolean | null;
}
/**
 * The tracks of a stream.
 */
export interface MediaInfo {
  tracks: TrackInfo[];
}
/**
 * One audio or video flow. ``id`` and ``mid``: WebRTC streams only.
 *
 *     Each layer of a simulcast stream is a track, with a ``rid`` and without ``optional``.
 */
export interface TrackInfo {
  type: "audio" | "video";
  format: FormatInfo;
  status: "active" | "inactive";
  optional?: OptionalInfo;
  id?: string;
  source?: string;
  parameters?: ParametersInfo;
  mid?: string;
  rid?: string;
}
/**
 * What the server can make of a track beside its own form.
 */
export interface OptionalInfo {
  format?: FormatInfo[];
  parameters?: OptionalParameters;
}
/**
 * What else can be asked for of a video track; ``bitrate`` holds multipliers such as "x0.8".
 *
 *     OWT's JavaScript SDK throws unless all four are there.
 */
export interface OptionalParameters {
  resolution: ResolutionInfo[];
  framerate: number[];
  bitrate: (string | number)[];
  keyFrameInterval: number[];
}
/**
 * What is known of a video track. ``bitrate`` in kbit/s, ``keyFrameInterval`` in seconds.
 */
export interface ParametersInfo {
  resolution?: ResolutionInfo;
  framerate?: number;
  bitrate?: number | string;
  keyFrameInterval?: number;
}
/**
 * Where a forward stream comes from, and the views that it is mixed into.
 */
export interface ForwardInfo {
  owner: string;
  type: string;
  inViews: string[];
  attributes?: {
    [k: string]: unknown;
  } | null;
  activeInput?: string;
}
/**
 * A stream that the server mixes.
 */
export interface MixedStreamInfo {
  type: "mixed";
  id: string;
  media: MediaInfo;
  info: MixedInfo;
  data?: boolean | null;
}
/**
 * The view that a mixed stream shows. ``activeInput`` is the speaker's stream, or "unknown".
 */
export interface MixedInfo {
  label: string;
  activeInput: string;
  layout: PlacementInfo[];
}
/**
 * A region and the stream shown there, if any.
 */
export interface PlacementInfo {
  region: RegionInfo;
  stream?: string;
}
/**
 * A place in a layout.
 */
export interface RegionInfo {
  id: string;
  shape: string;
  area: AreaInfo;
}
/**
 * A part of the picture; each value is a fraction of it, written "num/den".
 */
export interface AreaInfo {
  left: string;
  top: string;
  width: string;
  height: string;
}
/**
 * A STUN or TURN server, as RTCPeerConnection takes it.
 */
export interface IceServerInfo {
  urls: string[];
  username?: string;
  credential?: string;
}
/**
 * The answer to a relogin in dialect 1.2, except for SDK type "JavaScript": that gets the bare ticket.
 */
export interface Resumed {
  ticket: string;
  messages: MissedMessage[];
}
/**
 * A notification that was sent while nobody listened; ``seq`` counts all notifications from 1.
 */
export interface MissedMessage {
  event: string;
  data: unknown;
  seq: number;
}
/**
 * ``id`` names the publication (and its stream) or the subscription; offers go to ``transportId``.
 */
export interface SessionAnswer {
  id: string;
  transportId: string;
}
/**
 * The region that a stream is shown in.
 */
export interface RegionAnswer {
  region: string;
}
/**
 * What the server tells by itself, by event name; null: no data.
 */
export interface Notifications {
  participant: ParticipantNotification;
  text: TextNotification;
  stream: StreamNotification;
  progress: ProgressNotification;
  subscription: SubscriptionChange;
  recording: RecordingNotification;
  analytics: AnalyticsNotification;
  drop: null;
}
/**
 * Somebody else came.
 */
export interface ParticipantJoin {
  action: "join";
  data: ParticipantInfo;
}
/**
 * Somebody went; ``data`` is the id.
 */
export interface ParticipantLeave {
  action: "leave";
  data: string;
}
/**
 * A text message; ``to`` is "all" or "me".
 */
export interface TextNotification {
  from: string;
  to: string;
  message: string;
}
/**
 * A stream can be subscribed to; its publisher is told as well.
 */
export interface StreamAdd {
  status: "add";
  id: string;
  data: StreamInfo;
}
/**
 * A stream is gone.
 */
export interface StreamRemove {
  status: "remove";
  id: string;
}
/**
 * Something about a stream changed.
 */
export interface StreamUpdate {
  status: "update";
  id: string;
  data: AudioStatus | VideoStatus | ActiveInput | LayoutChange | DescriptionChange;
}
/**
 * The audio of a stream was muted or unmuted.
 */
export interface AudioStatus {
  field: "audio.status";
  value: "active" | "inactive";
}
/**
 * The video of a stream was muted or unmuted.
 */
export interface VideoStatus {
  field: "video.status";
  value: "active" | "inactive";
}
/**
 * Somebody else speaks: ``value`` is the forward stream heard in a mixed one.
 */
export interface ActiveInput {
  field: "activeInput";
  value: string;
}
/**
 * The complete new layout of a mixed stream.
 */
export interface LayoutChange {
  field: "video.layout";
  value: PlacementInfo[];
}
/**
 * The complete new description of a stream.
 */
export interface DescriptionChange {
  field: ".";
  value: StreamInfo;
}
/**
 * The answer to an offer of the connection ``id``.
 */
export interface SoacProgress {
  status: "soac";
  id: string;
  data: AnswerData;
}
/**
 * The SDP answer; it holds every candidate of the server.
 */
export interface AnswerData {
  type: "answer";
  sdp: string;
}
/**
 * The connection ``id`` is up or, with ``sessionId``, a publication or subscription on it works.
 */
export interface ReadyProgress {
  status: "ready";
  id: string;
  sessionId?: string;
}
/**
 * The connection ``id`` failed or, with ``sessionId``, one session on it; ``data`` says why.
 */
export interface ErrorProgress {
  status: "error";
  id: string;
  data: string;
  sessionId?: string;
}
/**
 * Something about an own subscription changed. OWT does not have this; clients that do not listen miss nothing.
 */
export interface SubscriptionChange {
  status: "update";
  id: string;
  data: LayerChange;
}
/**
 * The server sends another layer, or stopped or began to send.
 */
export interface LayerChange {
  field: "video.layer";
  value: LayerInfo;
}
/**
 * What is sent on section ``mid``: the layer ``rid``, if there are several; not ``sending``: nothing.
 */
export interface LayerInfo {
  mid: string;
  sending: boolean;
  rid?: string;
}
/**
 * Whether the room is recorded from now on. OWT does not have this; clients that do not listen miss nothing.
 */
export interface RecordingNotification {
  state: "none" | "paused" | "recording";
}
/**
 * An algorithm has seen something in ``stream``, at ``time`` (milliseconds since the epoch).
 *
 *     OWT does not have this; clients that do not listen miss nothing.
 */
export interface AnalyticsNotification {
  id: string;
  stream: string;
  algorithm: string;
  name: string;
  data: {
    [k: string]: unknown;
  };
  time: number;
}
