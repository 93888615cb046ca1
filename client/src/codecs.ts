/** Which codecs an offer names. */

import type { Kind } from "./kinds.js";

const REPAIR = new Set(["rtx", "red", "ulpfec", "flexfec-03"]);

/** Those of these names, best first, and what repairs them. A name that the browser lacks is left out. */
export function preferred(kind: Kind, wanted: readonly string[]): RTCRtpCodec[] {
  const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  const name = (codec: RTCRtpCodec) => codec.mimeType.split("/")[1]?.toLowerCase() ?? "";
  const chosen = wanted.flatMap((w) => codecs.filter((codec) => name(codec) === w.toLowerCase()));
  return [...chosen, ...codecs.filter((codec) => REPAIR.has(name(codec)))];
}
