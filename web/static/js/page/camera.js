/**
 * The source of the pictures: a camera, or the sample video played onto a canvas.
 *
 * @typedef {import("../../edge-client.js").Source & {
 *   kind: "camera" | "sample", track: MediaStreamTrack, mirrored: boolean, stop: () => void,
 * }} Source `stop` releases the device
 */

import { SourceProblem } from "./problems.js";

const CAPTURE_WIDTH = 1280;
const CAPTURE_HEIGHT = 720;
const FRONT_LABEL = /front|user|facetime|selfie/i;
const START_TIMEOUT_MS = 10000;

/** @type {Record<string, import("./problems.js").ProblemCode>} */
const CAMERA_PROBLEMS = {
  NotAllowedError: "camera_refused",
  SecurityError: "camera_refused",
  NotFoundError: "camera_absent",
  DevicesNotFoundError: "camera_absent",
  OverconstrainedError: "camera_absent",
  NotReadableError: "camera_busy",
  TrackStartError: "camera_busy",
  AbortError: "camera_busy",
};

/**
 * @typedef {"environment" | "user"} Facing
 *
 * @typedef {object} CameraChoice
 * @property {Facing} facing
 * @property {string} [avoidDevice] the id of the device to switch away from
 * @property {string} [device] the id of the device to open
 *
 * @param {CameraChoice & {fps: number}} options
 * @returns {Promise<Source>}
 * @throws {SourceProblem}
 */
export async function openCamera({ facing, fps, avoidDevice, device }) {
  if (!globalThis.isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new SourceProblem("insecure");
  const size = { width: { ideal: CAPTURE_WIDTH }, height: { ideal: CAPTURE_HEIGHT }, frameRate: { ideal: fps } };
  const zoom = /** @type {any} */ ({ zoom: true }); // Chromium lets a page zoom that has asked for it here
  const other = device ?? (avoidDevice ? await anotherCamera(avoidDevice) : null);
  const which = other ? { deviceId: { exact: other } } : { facingMode: { ideal: facing } };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...size, ...which, ...zoom } });
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    throw new SourceProblem(CAMERA_PROBLEMS[name] ?? "camera_failed", { detail: String(error) });
  }
  const [track] = stream.getVideoTracks();
  track.contentHint = "motion";
  const settings = track.getSettings();
  return {
    kind: "camera",
    track,
    stream,
    mirrored: settings.facingMode ? settings.facingMode === "user" : FRONT_LABEL.test(track.label),
    stop: () => track.stop(),
  };
}

/**
 * Where cameras do not report their facing mode, flipping takes the next one in the list.
 *
 * @param {string} deviceId
 * @returns {Promise<string | null>} null if the facing mode decides, or if there is no other camera
 */
async function anotherCamera(deviceId) {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === "videoinput" && d.deviceId);
  const at = cameras.findIndex((d) => d.deviceId === deviceId);
  if (cameras.length < 2 || at < 0) return null;
  return cameras[(at + 1) % cameras.length].deviceId;
}

/**
 * The sample plays on a hidden video element; each frame is drawn to a canvas at the requested rate, and the
 * canvas is the source. This works in every browser (iOS has no captureStream on media elements), and the page knows
 * exactly when each picture was captured.
 *
 * @param {{url: string, fps: number}} options
 * @returns {Promise<Source>}
 * @throws {SourceProblem}
 */
export async function openSample({ url, fps }) {
  const video = document.createElement("video");
  video.muted = true;
  video.loop = true;
  video.playsInline = true;
  video.src = url;
  await started(video);
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  context.drawImage(video, 0, 0);
  const stream = canvas.captureStream(0);
  const track = /** @type {CanvasCaptureMediaStreamTrack} */ (stream.getVideoTracks()[0]);
  track.contentHint = "motion";
  /** @type {(() => void) | null} */
  let onDrawn = null;
  /** @type {ReturnType<typeof setInterval>} */
  let timer;
  const draw = () => {
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    // The standard defines this on the track, Firefox on the stream.
    if (track.requestFrame) track.requestFrame();
    else /** @type {any} */ (stream).requestFrame?.();
    onDrawn?.();
  };
  const setRate = (/** @type {number} */ rate) => {
    clearInterval(timer);
    timer = setInterval(draw, 1000 / Math.max(1, Math.min(60, rate)));
  };
  setRate(fps);
  return {
    kind: "sample",
    track,
    stream,
    mirrored: false,
    canvas,
    watch: (callback) => {
      onDrawn = callback;
    },
    setRate,
    stop: () => {
      clearInterval(timer);
      track.stop();
      video.pause();
      video.removeAttribute("src");
      video.load();
    },
  };
}

/**
 * @param {HTMLVideoElement} video
 * @returns {Promise<void>} when its first picture can be drawn
 */
async function started(video) {
  const ready = new Promise((resolve, reject) => {
    video.onloadeddata = () => resolve(undefined);
    video.onerror = () => reject(new SourceProblem("sample_failed", { detail: video.error?.message ?? "" }));
    setTimeout(() => reject(new SourceProblem("sample_failed", { detail: "timed out" })), START_TIMEOUT_MS);
  });
  try {
    await Promise.all([ready, video.play()]);
  } catch (error) {
    video.removeAttribute("src");
    throw error instanceof SourceProblem ? error : new SourceProblem("sample_failed", { detail: String(error) });
  }
}
