/** The page's address for another device, as a link and as a QR code. The access token is in it only if it is asked for. */

const ENCODER = new URL("../../vendor/uqr/uqr.esm.js", import.meta.url).href;
/** Cells of white around a QR code (ISO/IEC 18004, 6.3.8). */
const BORDER = 4;
const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;

/**
 * The address to share. Pure.
 *
 * @param {{href: string, lan: string | null, token: string}} options href: this page's address; lan: the server's in its
 *   network, for a page that was opened by an address of this machine alone; token: empty for none
 * @returns {{link: string, isLocal: boolean}} isLocal: no other device can open it
 */
export function sharedLink({ href, lan, token }) {
  const here = new URL(href);
  const isLoopback = LOOPBACK.test(here.hostname);
  const link = isLoopback && lan ? new URL(lan) : new URL(here.pathname, here);
  if (token) link.hash = new URLSearchParams({ token }).toString();
  return { link: link.href, isLocal: isLoopback && !lan };
}

/**
 * The dark cells as an SVG path, a unit a cell. Pure.
 *
 * @param {boolean[][]} rows
 * @returns {string}
 */
export function cellPath(rows) {
  return rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
}

export class ShareDialog {
  /**
   * @param {any} dialog the element
   * @param {{lan: string | null, token: () => string}} options
   */
  constructor(dialog, options) {
    this.dialog = dialog;
    this.options = options;
    /** @param {string} id @returns {any} */
    this.find = (id) => dialog.querySelector(`#${id}`);
    const { find } = this;
    find("share-token").addEventListener("change", () => this.render());
    find("share-copy").addEventListener("click", () => this.copy());
    find("share-send").hidden = !("share" in navigator);
    find("share-send").addEventListener("click", () => {
      navigator.share({ title: document.title, url: find("share-link").value }).catch(() => {}); // dismissed
    });
    find("share-close").addEventListener("click", () => dialog.close());
  }

  open() {
    const { find } = this;
    find("share-token").checked = false;
    find("share-token-field").hidden = !this.options.token();
    this.dialog.showModal();
    return this.render();
  }

  async render() {
    const { find, options } = this;
    const token = find("share-token").checked ? options.token() : "";
    const { link, isLocal } = sharedLink({ href: location.href, lan: options.lan, token });
    find("share-link").value = link;
    find("share-local").hidden = !isLocal;
    find("share-copy").textContent = "Copy link";
    const { encode } = await import(ENCODER);
    const { data, size } = encode(link, { ecc: "M", border: BORDER });
    if (find("share-link").value !== link) return;
    find("share-code").setAttribute("viewBox", `0 0 ${size} ${size}`);
    find("share-cells").setAttribute("d", cellPath(data));
  }

  async copy() {
    const { find } = this;
    try {
      await navigator.clipboard.writeText(find("share-link").value);
      find("share-copy").textContent = "Copied";
    } catch {
      find("share-link").select(); // not allowed here: it is marked, to be copied by hand
    }
  }
}
