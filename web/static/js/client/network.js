/** Tells when the device is on another network, where the browser says so. */

/**
 * @param {() => void} onChange
 * @returns {() => void} stops watching
 */
export function watchNetwork(onChange) {
  // Not in Safari and Firefox, and without a type on desktops; it also reports changes of the estimated rate.
  const connection = /** @type {any} */ (navigator).connection;
  let type = connection?.type;
  const changed = () => {
    if (connection.type === type) return;
    type = connection.type;
    if (type !== "none") onChange();
  };
  connection?.addEventListener("change", changed);
  window.addEventListener("online", onChange);
  return () => {
    connection?.removeEventListener("change", changed);
    window.removeEventListener("online", onChange);
  };
}
