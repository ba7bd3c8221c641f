/**
 * The browser's own sender statistics, for the reports to the server and the panel.
 *
 * @typedef {object} SenderStats
 * @property {number | null} availableBps
 * @property {number | null} rttMs
 * @property {number | null} sentBps
 * @property {number | null} width
 * @property {number | null} height
 * @property {number | null} fps encoded
 * @property {number | null} qp mean over the frames since the last reading
 * @property {number | null} encodeMs mean over the frames since the last reading
 * @property {number} framesEncoded since the connection began
 */

/**
 * Reads getStats repeatedly and calculates rates between two readings.
 */
export class StatsReader {
  /** @param {RTCRtpSender} sender @param {RTCPeerConnection} pc */
  constructor(sender, pc) {
    this.sender = sender;
    this.pc = pc;
    /** @type {any} */
    this.last = null;
  }

  /** @returns {Promise<SenderStats>} */
  async read() {
    const [own, all] = await Promise.all([this.sender.getStats(), this.pc.getStats()]);
    const outbound = find(own, "outbound-rtp");
    const pair = selectedPair(all);
    const last = this.last;
    this.last = outbound;
    const frames = delta(outbound, last, "framesEncoded");
    const seconds = outbound && last ? (outbound.timestamp - last.timestamp) / 1000 : 0;
    const mean = (/** @type {string} */ key) => {
      const sum = delta(outbound, last, key);
      return frames && sum !== null ? sum / frames : null;
    };
    const encodeS = mean("totalEncodeTime");
    const bytes = delta(outbound, last, "bytesSent");
    return {
      availableBps: pair?.availableOutgoingBitrate ?? null,
      rttMs: pair?.currentRoundTripTime !== undefined ? pair.currentRoundTripTime * 1000 : null,
      sentBps: seconds > 0 && bytes !== null ? (bytes * 8) / seconds : null,
      width: outbound?.frameWidth ?? null,
      height: outbound?.frameHeight ?? null,
      fps: seconds > 0 && frames !== null ? frames / seconds : null,
      qp: mean("qpSum"),
      encodeMs: encodeS === null ? null : encodeS * 1000,
      framesEncoded: outbound?.framesEncoded ?? 0,
    };
  }
}

/**
 * @param {RTCStatsReport} report
 * @param {string} type
 * @returns {any}
 */
function find(report, type) {
  for (const entry of report.values()) if (entry.type === type) return entry;
  return null;
}

/**
 * @param {RTCStatsReport} report
 * @returns {any}
 */
function selectedPair(report) {
  const id = find(report, "transport")?.selectedCandidatePairId;
  if (id) return report.get(id);
  for (const entry of report.values()) {
    if (entry.type !== "candidate-pair") continue;
    if (entry.selected || (entry.nominated && entry.state === "succeeded")) return entry;
  }
  return null;
}

/**
 * @param {any} now
 * @param {any} before
 * @param {string} key
 * @returns {number | null}
 */
function delta(now, before, key) {
  if (!now || !before || now[key] === undefined || before[key] === undefined) return null;
  return now[key] - before[key];
}

/**
 * The report message, without unknown values.
 *
 * @param {SenderStats} stats
 * @param {{n: number, late: number, p50: number | null, p99: number | null}} shown since the last report
 * @param {{p50: number | null, p99: number | null}} back
 * @returns {Record<string, any>}
 */
export function reportMessage(stats, shown, back) {
  const known = {
    available_bps: stats.availableBps,
    rtt_ms: stats.rttMs,
    width: stats.width,
    height: stats.height,
    fps: stats.fps,
    qp: stats.qp,
    encode_ms: stats.encodeMs,
  };
  /** @type {Record<string, any>} */
  const message = { type: "report" };
  for (const [key, value] of Object.entries(known)) if (value !== null) message[key] = value;
  message.shown = { n: shown.n, late: shown.late };
  if (shown.p50 !== null) Object.assign(message.shown, { p50_ms: shown.p50, p99_ms: shown.p99 });
  if (back.p50 !== null && back.p99 !== null) {
    // The clocks are matched to a few ms: a shorter way back may seem to end before it began.
    message.back_ms = { p50: Math.max(0, back.p50), p99: Math.max(0, back.p99) };
  }
  return message;
}
