/** What arrives and leaves, in a line for each picture, what is lost, and how long the way to the server is. */

import type { Conference } from "palaver-client";

/** The members of statistics that are shown (W3C webrtc-stats). */
interface Report {
  id: string;
  type: string;
  timestamp: number;
  rid?: string;
  mediaSourceId?: string;
  trackIdentifier?: string;
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  bytesSent?: number;
  bytesReceived?: number;
  packetsReceived?: number;
  packetsLost?: number;
  localId?: string;
  fractionLost?: number;
  selectedCandidatePairId?: string;
  currentRoundTripTime?: number;
}

/** Remembers the last reading: rates are differences. */
export class Statistics {
  #before = new Map<string, Report>();

  constructor(readonly conference: Conference) {}

  /** Lines by the id of the track that they are about. */
  async read(): Promise<Map<string, string>> {
    const reports = new Map<string, Report>();
    (await this.conference.stats())?.forEach((report: Report) => void reports.set(report.id, report));
    const roundTrip = wayAndBack(reports);
    const lines = new Map<string, string>();
    for (const report of reports.values()) {
      const source = report.mediaSourceId ? reports.get(report.mediaSourceId) : report;
      const track = source?.trackIdentifier;
      if (!track || !report.frameWidth || !/^(in|out)bound-rtp$/.test(report.type)) continue;
      const lost = report.type === "inbound-rtp" ? this.#lost(report) : told(reports, report.id);
      lines.set(track, joined("\n", lines.get(track), this.#line(report, lost, roundTrip)));
    }
    this.#before = reports;
    return lines;
  }

  #line(report: Report, lost: number, roundTrip: string | undefined): string {
    const { rid, frameWidth, frameHeight, framesPerSecond = 0 } = report;
    const size = `${frameWidth} × ${frameHeight}`;
    const flow = [`${Math.round(framesPerSecond)} fps`, `${this.#kbps(report)} kbit/s`];
    return joined(" · ", rid, size, ...flow, `${Math.round(lost * 100)} % lost`, roundTrip);
  }

  #kbps(report: Report): number {
    const before = this.#before.get(report.id);
    if (!before || report.timestamp <= before.timestamp) return 0;
    const bytes = (one: Report) => one.bytesReceived ?? one.bytesSent ?? 0;
    return Math.round(((bytes(report) - bytes(before)) * 8) / (report.timestamp - before.timestamp));
  }

  /** How much was lost (0 to 1) since the last reading. */
  #lost(report: Report): number {
    const before = this.#before.get(report.id);
    const lost = (report.packetsLost ?? 0) - (before?.packetsLost ?? 0);
    const all = (report.packetsReceived ?? 0) - (before?.packetsReceived ?? 0) + lost;
    return all > 0 ? Math.max(0, lost) / all : 0;
  }
}

/** How much of a layer was lost lately (0 to 1), as the server says. */
function told(reports: Map<string, Report>, layer: string): number {
  for (const report of reports.values())
    if (report.type === "remote-inbound-rtp" && report.localId === layer) return report.fractionLost ?? 0;
  return 0;
}

function wayAndBack(reports: Map<string, Report>): string | undefined {
  for (const { selectedCandidatePairId: pair } of reports.values()) {
    const seconds = pair && reports.get(pair)?.currentRoundTripTime;
    if (seconds !== undefined && seconds !== "") return `${Math.round(seconds * 1000)} ms`;
  }
  return undefined;
}

function joined(mark: string, ...words: (string | undefined)[]): string {
  return words.filter(Boolean).join(mark);
}
