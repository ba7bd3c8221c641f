/**
 * One WHIP session (RFC 9725): offers the track and the data channels, and ends the session.
 */

import { watchEncoded } from "../frames/encoded.js";
import { FOR_NOW, Problem } from "../problem.js";

const GATHERING_MS = 1000;
const SIGNALLING_MS = 10000;
const DEFAULT_RETRY_MS = 5000;
const ALIVE_MS = 1000;
const ABS_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
/** Size and bitrate until the server's first hint. */
const FIRST_EDGE = 608;
const FIRST_BPS = 1_200_000;
/**
 * The server's further reasons to refuse a session for now; any other 503 comes from a proxy whose server is down.
 *
 * @type {Record<string, import("../problem.js").ProblemCode>}
 */
const UNAVAILABLE = { half_open_full: "full", no_ports: "full", no_descriptors: "full" };

/**
 * @typedef {object} PublisherOptions
 * @property {string} url the WHIP endpoint with its query
 * @property {string} token bearer token, empty for none
 * @property {RTCIceServer[]} iceServers
 * @property {MediaStreamTrack} track
 * @property {MediaStream} stream
 * @property {number} fps
 * @property {boolean} [watch] false where no worker can: `onEncoded` is not called then
 * @property {(frame: import("../frames/encoded.js").EncodedFrame) => void} onEncoded
 * @property {(channel: "control" | "results", text: string) => void} onText
 * @property {() => void} onOpen the control channel is open
 * @property {() => void} [onTrouble] the peer connection gets no answer, and may recover
 * @property {(problem: Problem) => void} onLost the peer connection or its channel ended
 */

export class Publisher {
  /** @param {PublisherOptions} options */
  constructor(options) {
    this.options = options;
    this.pc = new RTCPeerConnection({ iceServers: options.iceServers, bundlePolicy: "max-bundle" });
    /** @type {URL | null} */
    this.location = null;
    this.etag = "";
    this.closed = false;
    this.opened = false;
    /** @type {Promise<void> | null} */
    this.prepared = null;
    /** @type {RTCIceCandidate[]} not sent to the server yet */
    this.candidates = [];

    this.control = this.channel("control", { ordered: true });
    this.results = this.channel("results", { ordered: false, maxRetransmits: 0 });
    this.control.onopen = () => {
      this.opened = true;
      if (!this.closed) options.onOpen();
    };
    this.control.onclose = () => this.lost();

    this.transceiver = this.pc.addTransceiver(options.track, {
      direction: "sendonly",
      streams: [options.stream],
      sendEncodings: [{ maxBitrate: FIRST_BPS, ...firstScale(options.track) }],
    });
    preferVp8(this.transceiver);
    askForCaptureTime(this.transceiver);
    this.stopWatching = options.watch === false ? null : watchEncoded(this.sender, options.onEncoded);
    this.pc.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.pc.connectionState)) this.lost();
      if (this.pc.connectionState === "disconnected" && !this.closed) options.onTrouble?.();
    };
    this.pc.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      this.candidates.push(candidate);
      if (this.location) this.trickle();
    };
  }

  /** @returns {RTCRtpSender} */
  get sender() {
    return this.transceiver.sender;
  }

  /** @returns {boolean} whether encoded frames are observed */
  get watching() {
    return this.stopWatching !== null;
  }

  /** @returns {string | null} the session's id at the server, null before its answer and once it has ended */
  get session() {
    return this.location?.pathname.split("/").filter(Boolean).at(-1) ?? null;
  }

  /**
   * @param {"control" | "results"} label
   * @param {RTCDataChannelInit} init
   * @returns {RTCDataChannel}
   */
  channel(label, init) {
    const channel = this.pc.createDataChannel(label, init);
    channel.onmessage = ({ data }) => {
      if (!this.closed && typeof data === "string") this.options.onText(label, data);
    };
    return channel;
  }

  lost() {
    if (this.closed) return;
    this.options.onLost(new Problem(this.opened ? "link_lost" : "no_path"));
  }

  /** The session that it was to replace is not there any more. */
  begin() {
    const { options } = this;
    options.url = options.url.replace(/.replaces=[^&]*$/, "");
  }

  /**
   * Makes the offer; nothing of it reaches the server.
   *
   * @returns {Promise<void>}
   */
  prepare() {
    return (this.prepared ??= this.pc.setLocalDescription().then(() => gathered(this.pc)));
  }

  /**
   * Sends the offer and applies the answer; returns when signalling is done.
   *
   * @returns {Promise<void>}
   * @throws {Problem}
   */
  async open() {
    await this.prepare();
    if (this.closed) return;
    this.candidates = [];
    const offer = /** @type {RTCSessionDescription} */ (this.pc.localDescription).sdp;
    const response = await this.post(offer);
    const answer = await response.text();
    this.location = new URL(response.headers.get("Location") ?? "", response.url);
    this.etag = response.headers.get("ETag") ?? "";
    if (this.closed) {
      this.remove();
      return;
    }
    try {
      await this.pc.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (error) {
      throw new Problem("refused", { detail: String(error) });
    }
    await preferRate(this.sender);
    if (this.candidates.length > 0) this.trickle();
  }

  /**
   * @param {string} offer
   * @returns {Promise<Response>} 201
   * @throws {Problem}
   */
  async post(offer) {
    let response;
    try {
      response = await fetch(this.options.url, {
        method: "POST",
        headers: { "Content-Type": "application/sdp", ...this.authorization() },
        body: offer,
        signal: AbortSignal.timeout(SIGNALLING_MS),
      });
    } catch (error) {
      throw new Problem("unreachable", { detail: String(error) });
    }
    if (response.status === 201) return response;
    const { code, detail, sloMs } = await refusal(response);
    if (response.status === 401) {
      throw new Problem("token", { detail, words: this.options.token ? "wrong_token" : "token" });
    }
    if (response.status === 429) {
      const more = { detail, retryAfterMs: retryAfterMs(response) };
      throw code === "too_many" ? new Problem(code, more) : new Problem("full", { ...more, words: "own_full" });
    }
    if (response.status === 503) {
      const known = /** @type {any} */ (FOR_NOW.includes(code) ? code : UNAVAILABLE[code]);
      throw new Problem(known ?? "unreachable", { detail, sloMs, retryAfterMs: retryAfterMs(response) });
    }
    if (response.status >= 500) throw new Problem("unreachable", { detail });
    throw new Problem("refused", { detail });
  }

  /** @returns {Record<string, string>} */
  authorization() {
    return this.options.token ? { Authorization: `Bearer ${this.options.token}` } : {};
  }

  /** Sends candidates that were found after the offer (RFC 9725, section 4.3.1). */
  trickle() {
    const description = this.pc.localDescription;
    if (!this.location || !description || this.candidates.length === 0) return;
    const [{ usernameFragment, sdpMid }] = this.candidates;
    const password = /a=ice-pwd:(\S+)/.exec(description.sdp)?.[1];
    const lines = [
      `a=ice-ufrag:${usernameFragment}`,
      `a=ice-pwd:${password}`,
      "m=video 9 UDP/TLS/RTP/SAVPF 0",
      `a=mid:${sdpMid}`,
      ...this.candidates.splice(0).map((candidate) => `a=${candidate.candidate}`),
    ];
    fetch(this.location, {
      method: "PATCH",
      headers: {
        "Content-Type": "application/trickle-ice-sdpfrag",
        ...(this.etag ? { "If-Match": this.etag } : {}),
        ...this.authorization(),
      },
      body: `${lines.join("\r\n")}\r\n`,
    }).catch(() => {});
  }

  /**
   * @param {object} message
   * @returns {boolean} false when the control channel is not open
   */
  send(message) {
    if (this.control.readyState !== "open") return false;
    this.control.send(JSON.stringify(message));
    return true;
  }

  /**
   * Ends the session here and on the server, even while the page is being closed.
   *
   * @param {boolean} [keep] not on the server, where another session is to replace it
   */
  close(keep = false) {
    if (this.closed) return;
    this.closed = true;
    this.stopWatching?.();
    this.pc.close();
    if (!keep) this.remove();
  }

  /**
   * Asks over HTTP, which takes another path than the media where that one is broken.
   *
   * @returns {Promise<boolean | null>} whether the server has the session; null if it does not answer
   */
  async alive() {
    if (!this.location) return false;
    try {
      const signal = AbortSignal.timeout(ALIVE_MS);
      const response = await fetch(this.location, { cache: "no-store", headers: this.authorization(), signal });
      return response.ok || ([404, 410].includes(response.status) ? false : null);
    } catch {
      return null;
    }
  }

  /** The server has ended the session. */
  forget() {
    this.location = null;
  }

  /** Ends the session on the server. */
  remove() {
    if (!this.location) return;
    const { location } = this;
    this.location = null;
    fetch(location, { method: "DELETE", keepalive: true, headers: this.authorization() }).catch(() => {});
  }
}

/**
 * @param {MediaStreamTrack} track
 * @returns {object} the initial size, so that no full-size key frame is sent before the first hint
 */
function firstScale(track) {
  const { width = 0, height = 0 } = track.getSettings();
  const longest = Math.max(width, height);
  return longest > FIRST_EDGE ? { scaleResolutionDownBy: longest / FIRST_EDGE } : {};
}

/**
 * Prefers VP8: every browser has it, and it is cheap to decode. The other codecs stay in the offer.
 *
 * @param {RTCRtpTransceiver} transceiver
 */
function preferVp8(transceiver) {
  const codecs = RTCRtpSender.getCapabilities?.("video")?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const isVp8 = (/** @type {RTCRtpCodec} */ codec) => codec.mimeType.toLowerCase() === "video/vp8";
  transceiver.setCodecPreferences([...codecs.filter(isVp8), ...codecs.filter((codec) => !isVp8(codec))]);
}

/**
 * Requests that each frame carries its capture time, where the browser supports it.
 *
 * @param {any} transceiver
 */
function askForCaptureTime(transceiver) {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.();
  if (!extensions) return;
  for (const extension of extensions) {
    if (extension.uri === ABS_CAPTURE_TIME) extension.direction = "sendrecv";
  }
  try {
    transceiver.setHeaderExtensionsToNegotiate(extensions);
  } catch {
    // An older draft of the interface: the server then derives capture times from sender reports.
  }
}

/**
 * Prefers a smaller size to a lower frame rate, because a late picture is worthless.
 *
 * @param {RTCRtpSender} sender
 */
async function preferRate(sender) {
  const parameters = sender.getParameters();
  /** @type {any} */ (parameters).degradationPreference = "maintain-framerate";
  try {
    await sender.setParameters(parameters);
  } catch {
    // Not every browser has this preference; contentHint "motion" requests the same.
  }
}

/**
 * Waits for the candidates of this machine, which take milliseconds; later ones are trickled.
 *
 * @param {RTCPeerConnection} pc
 * @returns {Promise<void>}
 */
function gathered(pc) {
  return new Promise((resolve) => {
    const check = () => {
      if (pc.iceGatheringState !== "complete") return;
      pc.removeEventListener("icegatheringstatechange", check);
      resolve();
    };
    pc.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHERING_MS);
    check();
  });
}

/**
 * @param {Response} response
 * @returns {Promise<{code: string, detail: string, sloMs?: number}>} the server's code, empty without one, its message, and
 *   the least objective at which it would take the session, where it knows one
 */
async function refusal(response) {
  try {
    const { error } = await response.json();
    return { code: String(error.code ?? ""), detail: String(error.message ?? error.code), sloMs: error.slo_ms };
  } catch {
    return { code: "", detail: `HTTP ${response.status}` };
  }
}

/**
 * @param {Response} response
 * @returns {number} milliseconds from Retry-After, as seconds or as a date (RFC 9110, section 10.2.3)
 */
function retryAfterMs(response) {
  const value = response.headers.get("Retry-After") ?? "";
  const seconds = Number(value);
  if (value !== "" && Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  return Number.isFinite(date) ? Math.max(0, date - Date.now()) : DEFAULT_RETRY_MS;
}
