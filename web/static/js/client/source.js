/**
 * What is sent: a track, and what else is known of where it comes from.
 *
 * @typedef {object} Source
 * @property {MediaStreamTrack} track
 * @property {MediaStream} stream
 * @property {boolean} mirrored whether people expect to see themselves mirrored
 * @property {HTMLCanvasElement} [canvas] that the track captures
 * @property {((onDrawn: (() => void) | null) => void)} [watch] with `canvas`: sets a callback after each drawing on it
 * @property {(fps: number) => void} [setRate] for a source that can produce pictures at the hinted rate
 *
 * @typedef {object} SourceOptions
 * @property {MediaStreamTrack} [track]
 * @property {MediaStream} [stream] whose first video track is sent, if no track is given
 * @property {Partial<Source>} [source] in place of both, with more that is known
 * @property {boolean} [mirrored] without it: mirrored if the camera faces the user
 */

/**
 * @param {SourceOptions} options
 * @returns {Source}
 * @throws {TypeError} without a video track
 */
export function sourceOf({ track, stream, source, mirrored }) {
  const given = source ?? { track, stream };
  const sent = given.track ?? given.stream?.getVideoTracks()[0];
  if (sent?.kind !== "video") throw new TypeError("`track`, `stream` or `source`: a video track is needed");
  sent.contentHint ||= "motion";
  return {
    ...given,
    track: sent,
    stream: given.stream ?? new MediaStream([sent]),
    mirrored: mirrored ?? given.mirrored ?? sent.getSettings().facingMode === "user",
  };
}
