/** Tells when the browser puts the page aside, into its cache or for good, and when it is shown again. */

/**
 * @param {() => void} onHide
 * @param {() => void} onShow
 * @returns {() => void} stops watching
 */
export function watchPageCache(onHide, onShow) {
  window.addEventListener("pagehide", onHide);
  window.addEventListener("pageshow", onShow);
  return () => {
    window.removeEventListener("pagehide", onHide);
    window.removeEventListener("pageshow", onShow);
  };
}
