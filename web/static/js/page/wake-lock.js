/** Keeps the screen on while pictures are shown, where the browser can. */

/** @type {any} */
let lock = null;

/** @param {boolean} wanted */
export async function keepScreenOn(wanted) {
  try {
    if (wanted && !lock) {
      lock = true;
      lock = await /** @type {any} */ (navigator).wakeLock.request("screen");
      lock.addEventListener("release", () => { lock = null; });
    } else if (!wanted && lock?.release) {
      await lock.release();
      lock = null;
    }
  } catch {
    lock = null; // Refused or not supported: the screen may dim.
  }
}
