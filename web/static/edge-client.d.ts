/**
 * Publishes video to an edge server and receives what was found in each frame. How to use it: docs/embed/javascript.md.
 *
 * Times are milliseconds; those of a moment count from the Unix epoch, with a fraction (`performance.timeOrigin +
 * performance.now()`).
 */

/** Opens a session and returns at once; `onState` tells how it goes. A bad option is a TypeError that names it. */
export function connect(options: ConnectOptions): Session;

/** One of `track`, `stream` (its first video track) and `source` is needed. The track stays yours: it is never stopped. */
export interface ConnectOptions extends TrackOptions {
  /** The server's address, such as `https://edge.example:8443`, or below a path `https://example/edge`. */
  url: string | URL;
  /** The bearer token, where the server wants one; a function is asked before each connection. */
  token?: string | (() => string);
  /** A name for the operator. */
  label?: string;
  /** A model or family of the server's; "": its default. */
  model?: string | null;
  /** The latency objective, from capture to result: 20 to 5000. Without it, the server's default. */
  sloMs?: number | null;
  /** Frames a second that you mean to send; without it, the track's. */
  fps?: number | null;
  /** Classes that are reported and drawn; without it, all. */
  classes?: Iterable<string> | null;
  /** From 0 to 1: boxes below are not answered, on top of the model's own threshold. */
  minScore?: number;
  /** STUN and TURN servers; without it, the server is asked for its own. */
  iceServers?: RTCIceServer[];
  /** A muted video element of the page that the client may play the track in, to learn its frames' times. Without one it
   * makes an element of its own, outside the document. */
  video?: HTMLVideoElement;
  /** Whether every frame is recorded, for measurements: see `Session.journal`. */
  journal?: boolean;
  onDetections?: (detections: Detections) => void;
  onState?: (state: State, problem: Problem | null) => void;
  /** The session has ended for a reason that no retry solves, or a change was refused and the session goes on. */
  onError?: (problem: Problem) => void;
  /** The server has told its classes or its objective, or settings have changed. */
  onSettings?: (settings: Settings) => void;
  /** `stats()` has news: twice a second. */
  onStats?: () => void;
}

export interface TrackOptions {
  track?: MediaStreamTrack | null;
  stream?: MediaStream | null;
  source?: Source | null;
  /** Whether the picture and its boxes are drawn mirrored; without it, if the camera faces the user. */
  mirrored?: boolean;
}

/** A track, and more that is known of where it comes from. */
export interface Source {
  track?: MediaStreamTrack;
  stream?: MediaStream;
  mirrored?: boolean;
  /** The canvas that the track captures; with `watch`, each picture's capture time is known exactly. */
  canvas?: HTMLCanvasElement;
  /** Sets a function to be called after each drawing on `canvas`. */
  watch?: (onDrawn: (() => void) | null) => void;
  /** Called with the hinted frame rate, for a source that can follow it. */
  setRate?: (fps: number) => void;
}

/** `closed` is final. */
export type State = "connecting" | "live" | "reconnecting" | "paused" | "closed";

export interface Session {
  readonly state: State;
  /** Why the session is reconnecting, or closed. */
  readonly problem: Problem | null;
  /** While reconnecting: when the next attempt begins. */
  readonly retryAtMs: number;
  /** What applies now. */
  readonly settings: Settings;
  /** What the server asks for, and the client does; null before the first. */
  readonly hint: Hint | null;
  /** When the track's newest picture came, when one last left the encoder (null where the browser does not show it), and when
   * the newest result came: cheap to ask, so that a page can tell a frozen picture from a live one. */
  readonly latest: { pictureMs: number | null; sentMs: number | null; answerMs: number | null };
  /** Draws each picture with the boxes that were found in it: a result is drawn over the very picture it belongs to.
   * The canvas gets the picture's own size, as a video element has it: lay it out with CSS. null: draws no more. */
  drawOn(canvas: HTMLCanvasElement | null, options?: DrawOptions): void;
  /** The figures since the start, over all connections. */
  stats(options?: {
    /** Latency and legs of the last so many milliseconds; without it, of the newest 4096 frames. */
    lastMs?: number;
  }): Stats;
  /** Changes settings, at once where it can: another model serves as soon as it answers. A track is exchanged on the same
   * connection; null sends nothing for now. A bad value rejects the promise with a TypeError. */
  update(changes: Changes): Promise<void>;
  /** Ends the session on the server, and keeps the figures. */
  pause(): void;
  /** Continues after `pause`; without a track, with the one before. */
  resume(track?: TrackOptions): void;
  /** Stops sending, waits until every frame has its outcome, then closes. */
  finish(): Promise<void>;
  /** Ends the session. */
  close(): void;
  /** With the option `journal`: a line for every frame, and the hints; null without it. */
  journal(): { lines: object[]; hints: object[]; beyond: number } | null;
}

export interface DrawOptions {
  /** A positioned element that the canvas is fitted into, and hidden in while there is no picture. */
  stage?: HTMLElement;
  /** Called while the canvas shows exactly that picture. */
  onDrawn?: (drawn: Drawn) => void;
}

export interface Drawn {
  rtp: number;
  stampMs: number;
  /** As the server sent them: class, score, x1, y1, x2, y2, and the track where the server follows things. */
  boxes: [string | number, number, number, number, number, number, (number | null)?][];
  mirrored: boolean;
}

export type Changes = TrackOptions &
  Pick<ConnectOptions, "sloMs" | "fps" | "classes" | "minScore" | "model" | "token">;

export interface Settings {
  sloMs: number | null;
  fps: number | null;
  model: string | null;
  minScore: number;
  /** null: all. */
  classes: string[] | null;
  /** Those that the model knows; empty until the server has told them. */
  modelClasses: string[];
}

export interface Detections {
  /** The frame's RTP timestamp. */
  rtp: number;
  /** The network that answered, such as `yolov4-tiny-416`. */
  variant: string;
  /** null while the frame's picture is not known, in the first second. */
  captureMs: number | null;
  /** From the capture to this call. */
  latencyMs: number | null;
  /** Best first. */
  boxes: Box[];
}

/** A box; its corners are fractions of the picture, from its top left, never mirrored. */
export interface Box {
  class: string;
  /** 0 to 1. */
  score: number;
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  /** The same number for the same thing from frame to frame, where the server follows things; null for a box that it has no track of. */
  track?: number | null;
}

/** captured = in_time + late + sum(dropped) + pending. */
export interface Counts {
  captured: number;
  in_time: number;
  late: number;
  /** Among late and dropped: the network alone took longer than the objective. */
  infeasible: number;
  /** By reason; the client's own: `encoder`, `paced`, `lost`, `stopped`. */
  dropped: Record<string, number>;
  pending: number;
}

export interface Quantiles {
  n: number;
  p50: number | null;
  p90: number | null;
  p99: number | null;
}

/** The parts of a frame's latency, in their order. */
export type Leg = "encode" | "network" | "decode" | "queue" | "inference" | "send" | "back";
export const LEGS: readonly Leg[];

export interface Stats {
  sloMs: number;
  counts: Counts;
  latencyMs: Quantiles;
  legsMs: Record<Leg, Quantiles>;
  /** Boxes answered, by class, whether or not `classes` reports them. */
  classes: Record<string, number>;
  /** Frames, by size ("640x360"). */
  sentSizes: Record<string, number>;
  /** Answers, by variant. */
  variants: Record<string, number>;
  /** The session's name on the server. */
  session: string | null;
  /** What the server asks for, and the client does. */
  hint: Hint | null;
  hintsApplied: number;
  /** Attempts after a lost connection; connections that took the place of another; those that failed to. */
  reconnects: number;
  replacements: number;
  refusals: number;
  /** Results drawn, and those whose picture was gone. */
  drawn: number;
  undrawn: number;
  sender: SenderStats | null;
  /** The server's own figures of this session: `stats` in docs/embed/protocol.md. */
  server: Record<string, any> | null;
  /** The server's clock minus the page's. */
  clock: { offsetMs: number; rttMs: number } | null;
}

export interface Hint {
  seq: number;
  /** Pixels. */
  max_edge?: number;
  fps?: number;
  max_bps?: number;
  variant?: string;
  reason?: string;
}

export interface SenderStats {
  availableBps: number | null;
  rttMs: number | null;
  sentBps: number | null;
  width: number | null;
  height: number | null;
  fps: number | null;
  qp: number | null;
  encodeMs: number | null;
  framesEncoded: number;
}

export type ProblemCode =
  | "unsupported" | "track_ended" | "full" | "busy" | "too_many" | "not_ready" | "draining" | "token" | "unreachable" | "refused" | "no_path"
  | "link_lost" | "ended" | "replaced";

/** What went wrong, in words for the user: `title`, `text`; `detail` is the browser's or the server's own message. */
export class Problem extends Error {
  constructor(code: ProblemCode, more?: { detail?: string; retryAfterMs?: number; sloMs?: number });
  readonly code: ProblemCode;
  readonly title: string;
  readonly text: string;
  readonly detail: string;
  readonly retryAfterMs?: number;
  /** With the code `busy`: the least objective with which the server has room, where it knows one. `update({ sloMs })` tries it
   * at once. */
  readonly sloMs?: number;
}
