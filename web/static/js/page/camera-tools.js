/** What the camera in use can do: another one chosen, zoom, light; each is shown where the device has it. */

/**
 * The zoom slider's bounds, from the track's capabilities. Pure.
 *
 * @param {any} capabilities
 * @returns {{min: number, max: number, step: number} | null} null without zoom
 */
export function zoomRange(capabilities) {
  const { min, max, step } = capabilities?.zoom ?? {};
  if (!(max > min)) return null;
  return { min, max, step: step > 0 ? step : (max - min) / 100 };
}

export class CameraTools {
  /**
   * @param {HTMLElement} root
   * @param {import("./session.js").Session} session
   */
  constructor(root, session) {
    this.root = root;
    this.session = session;
    /** @param {string} id @returns {any} */
    this.find = (id) => root.querySelector(`#${id}`);
    /** The track whose tools are shown. @type {MediaStreamTrack | null} */
    this.track = null;
    /** What was asked of it: a camera that is opened anew has its own. @type {{zoom?: number, torch?: boolean}} */
    this.asked = {};

    const { find } = this;
    find("camera").addEventListener("change", () => session.choose(find("camera").value));
    find("zoom").addEventListener("input", () => this.ask({ zoom: Number(find("zoom").value) }));
    find("torch").addEventListener("click", () => this.ask({ torch: !this.asked.torch }));
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.list());
  }

  render() {
    const { session, find } = this;
    const track = session.kind === "camera" ? session.source?.track ?? null : null;
    if (track === this.track) return;
    this.track = track;
    this.asked = {};
    this.root.hidden = true;
    if (!track) return;
    const can = /** @type {any} */ (track.getCapabilities?.() ?? {});
    const range = zoomRange(can);
    find("zoom-field").hidden = !range;
    if (range) {
      for (const [name, value] of Object.entries(range)) find("zoom")[name] = String(value);
      find("zoom").value = String(/** @type {any} */ (track.getSettings()).zoom ?? range.min);
      this.showZoom();
    }
    find("torch").hidden = !can.torch;
    this.showTorch();
    this.root.hidden = !range && !can.torch;
    this.list();
  }

  /** Lists the cameras, which have names once one has been allowed. */
  async list() {
    const { track, find } = this;
    if (!track) return;
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === "videoinput" && d.deviceId);
    if (track !== this.track) return;
    find("camera-field").hidden = cameras.length < 2;
    if (cameras.length > 1) this.root.hidden = false;
    find("camera").replaceChildren(...cameras.map((each, at) => new Option(each.label || `Camera ${at + 1}`, each.deviceId)));
    find("camera").value = track.getSettings().deviceId ?? "";
  }

  /** @param {{zoom?: number, torch?: boolean}} wish */
  async ask(wish) {
    const { track } = this;
    if (!track) return;
    const before = this.asked;
    this.asked = { ...before, ...wish };
    this.showZoom();
    this.showTorch();
    try {
      await track.applyConstraints({ ...track.getConstraints(), advanced: [/** @type {any} */ (this.asked)] });
    } catch {
      if (track !== this.track || !("torch" in wish)) return; // the next step of the slider asks again
      this.asked = { ...this.asked, torch: before.torch };
      this.showTorch();
    }
  }

  showZoom() {
    const { find } = this;
    const times = `${(Number(find("zoom").value) / (Number(find("zoom").min) || 1)).toFixed(1)}×`;
    find("zoom-text").textContent = times;
    find("zoom").setAttribute("aria-valuetext", times);
  }

  showTorch() {
    this.find("torch").setAttribute("aria-pressed", String(this.asked.torch === true));
  }
}
