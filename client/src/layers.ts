/** What to publish in layers. */

/** A camera at a quarter, a half and the whole of its width, so that everybody gets what suits their screen and network.
 *
 * Without a mode for each, Chromium sends only the smallest of VP9 and AV1. */
export const THREE_LAYERS: RTCRtpEncodingParameters[] = [
  layer("q", 4, 150_000),
  layer("h", 2, 500_000),
  layer("f", 1, 2_500_000),
];

function layer(rid: string, scaleResolutionDownBy: number, maxBitrate: number): RTCRtpEncodingParameters {
  const mode = { scalabilityMode: "L1T3" }; // not in the types yet
  return { rid, scaleResolutionDownBy, maxBitrate, ...mode };
}
