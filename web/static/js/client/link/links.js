/**
 * The session's link, and the one that is to take its place: make before break (docs/embed/protocol.md).
 *
 * The new link's offer names the old one's session (`replaces`), so that the server carries on with its label, objective,
 * model and bitrate. Until the new one has its first answer the old one goes on, if it still can; a link that was lost
 * leaves its session on the server, for the next one to replace.
 */

import { pageNow } from "../clock.js";
import { Problem } from "../problem.js";
import { retryDelayMs } from "../retry.js";

/** After a link has taken over, a further one for its own trouble waits this long: a poor path is no new one. */
const REST_MS = 5000;
/** The old link may still receive answers for this long. */
const RETIRED_MS = 2000;
/** A link that was prepared is used for this long: its candidates may be another network's. */
const PREPARED_MS = 2000;

/**
 * @typedef {import("./link.js").Link} Link
 *
 * @typedef {object} LinkEvents
 * @property {() => void} onOpen
 * @property {() => void} onAnswer
 * @property {() => void} onSilence
 * @property {() => void} onHeard
 * @property {() => void} onTrouble
 * @property {() => void} onRecovered
 * @property {() => void} onMove
 * @property {(problem: Problem) => void} onLost
 *
 * @typedef {object} LinksOptions
 * @property {(replaces: string | null, events: LinkEvents) => Promise<Link | null>} make a link that is not open yet; null
 *   where there is nothing to send
 * @property {() => void} onLive the link is open, or another one has taken its place
 * @property {(problem: Problem) => void} onLost there is no link any more
 * @property {(problem: Problem) => void} onWaiting the link is lost, and its successor is not open yet
 * @property {(problem: Problem) => void} onKept the new link was refused, and the old one stays
 */

export class Links {
  /** @param {LinksOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Link | null} */
    this.current = null;
    /** @type {Link | null} it is to take the place of the current one */
    this.next = null;
    /** @type {{made: Promise<Link | null>, atMs: number} | null} for when the current one proves lost; its offer has not left */
    this.prepared = null;
    /** @type {Link | null} its place is taken, and its last answers may come */
    this.retired = null;
    /** @type {import("./publisher.js").Publisher | null} of a lost link, whose session is still on the server */
    this.left = null;
    /** Incremented with each attempt: an older one must not continue. */
    this.attempt = 0;
    this.failures = 0;
    /** Whether `replace` was called before the current link had a session. */
    this.again = false;
    this.replacements = 0;
    /** Links that were to take the place of another, and did not. */
    this.refusals = 0;
    this.restUntilMs = 0;
    /** Whether the next link is only for the current one's trouble. */
    this.forTrouble = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retryTimer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retiredTimer = undefined;
  }

  /** Opens the link; where one was lost, it replaces that one's session. */
  async connect() {
    const attempt = ++this.attempt;
    const replaces = this.left?.session ?? null;
    const made = this.takePrepared() ?? this.make(replaces);
    await this.open(attempt, made, (link) => {
      this.current = link;
      if (!replaces) link.publisher.begin();
    });
  }

  /**
   * Opens a link that is to take the place of the current one; of several, the newest.
   *
   * @param {Promise<Link | null> | null} [prepared]
   */
  async replace(prepared) {
    if (!this.current) return; // the next one will be as is wished now
    const replaces = this.current.publisher.session;
    this.again = !replaces;
    if (!replaces) return;
    const attempt = ++this.attempt;
    this.forTrouble = false;
    clearTimeout(this.retryTimer);
    this.next?.close("stopped");
    this.next = null;
    await this.open(attempt, prepared ?? this.make(replaces), (link) => {
      link.frames.standBy();
      this.next = link;
    });
  }

  /**
   * @param {string | null} replaces
   * @returns {Promise<Link | null>}
   */
  async make(replaces) {
    /** @type {Link | null} */
    let link = null;
    /** @param {"opened" | "answered" | "prepare" | "discard" | "trouble" | "recovered" | "move"} name */
    const on = (name) => () => link && this[name](link);
    link = await this.options.make(replaces, {
      onOpen: on("opened"),
      onAnswer: on("answered"),
      onSilence: on("prepare"),
      onHeard: on("discard"),
      onTrouble: on("trouble"),
      onRecovered: on("recovered"),
      onMove: on("move"),
      onLost: (problem) => link && this.lost(link, problem, replaces),
    });
    return link;
  }

  /**
   * The current link may prove lost: another one's offer is made meanwhile.
   *
   * @param {Link} link
   */
  prepare(link) {
    const replaces = link.publisher.session;
    if (link !== this.current || this.next || this.prepared || !replaces) return;
    const made = this.make(replaces);
    this.prepared = { made, atMs: pageNow() };
    made.then((other) => other?.publisher.prepare()).catch(() => {}); // who opens it meets the failure
  }

  /** @returns {Promise<Link | null> | null} the prepared link, if there is one that is not too old */
  takePrepared() {
    const { prepared } = this;
    if (!prepared || pageNow() - prepared.atMs > PREPARED_MS) {
      this.discard();
      return null;
    }
    this.prepared = null;
    return prepared.made;
  }

  /** The prepared link is not needed, or is no longer as is wished. */
  discard() {
    this.prepared?.made.then((other) => other?.close("stopped"), () => {});
    this.prepared = null;
  }

  /**
   * @param {number} attempt
   * @param {Promise<Link | null>} made
   * @param {(link: Link) => void} place
   */
  async open(attempt, made, place) {
    /** @type {Link | null} */
    let link = null;
    try {
      link = await made;
      if (!link) return;
      if (attempt !== this.attempt) {
        link.close("stopped");
        return;
      }
      place(link);
      await link.open();
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("refused", { detail: String(error) });
      if (link) link.lose(problem);
      else if (attempt === this.attempt && !this.current) this.options.onLost(problem);
    }
  }

  /** @param {Link} link */
  opened(link) {
    if (link !== this.current) return;
    this.options.onLive();
    if (this.again) this.replace();
  }

  /** @param {Link} link */
  answered(link) {
    if (link === this.next) this.takeOver();
    if (link === this.current) this.left = null;
  }

  /** The next link becomes the current one; a link that still lives has its last answers. */
  takeOver() {
    const { current: old, next } = this;
    if (!next) return;
    this.next = null;
    this.current = next;
    this.failures = 0;
    this.forTrouble = false;
    this.replacements += 1;
    this.restUntilMs = pageNow() + REST_MS;
    clearTimeout(this.retryTimer);
    if (old) {
      next.frames.takeOver(old.frames);
      this.retire(old);
    }
    if (next.publisher.opened) this.options.onLive();
  }

  /** @param {Link} link */
  retire(link) {
    if (link.ended) return;
    this.endRetired();
    this.retired = link;
    link.publisher.sender.replaceTrack(null).catch(() => {});
    this.retiredTimer = setTimeout(() => this.endRetired(), RETIRED_MS);
  }

  endRetired() {
    clearTimeout(this.retiredTimer);
    this.retired?.close("lost");
    this.retired = null;
  }

  /**
   * The server cannot be heard: another path may be there already.
   *
   * @param {Link} link
   */
  trouble(link) {
    if (link !== this.current || this.next || this.forTrouble || pageNow() < this.restUntilMs) return;
    this.replaceForTrouble();
  }

  /**
   * The server asks for another link: its node is drained, say. It asks again, if this one fails.
   *
   * @param {Link} link
   */
  move(link) {
    if (link === this.current && !this.next) this.replace();
  }

  replaceForTrouble() {
    this.replace(this.takePrepared());
    this.forTrouble = true;
  }

  /**
   * The current link's path is there again before the next one had an answer: that one is not needed.
   *
   * @param {Link} link
   */
  recovered(link) {
    if (link !== this.current || !this.forTrouble) return;
    this.forTrouble = false;
    this.attempt += 1;
    this.restUntilMs = pageNow() + REST_MS;
    clearTimeout(this.retryTimer);
    this.next?.close("stopped");
    this.next = null;
  }

  /**
   * @param {Link} link
   * @param {Problem} problem
   * @param {string | null} replaces the session that the link was to replace
   */
  lost(link, problem, replaces) {
    if (link === this.retired) {
      this.endRetired();
    } else if (link === this.next) {
      this.next = null;
      this.nextLost(problem);
    } else if (link === this.current && this.next) {
      this.leave(link);
      this.takeOver();
      if (!this.current?.publisher.opened) this.options.onWaiting(problem);
    } else if (link === this.current) {
      this.current = null;
      if (replaces && problem.code === "refused") {
        // A server that was started anew does not know the session.
        this.left = null;
        this.connect();
        return;
      }
      this.leave(link);
      this.options.onLost(problem);
    }
  }

  /**
   * Keeps in mind a lost link's session, if the server has it still.
   *
   * @param {Link} link
   */
  leave(link) {
    if (link.publisher.session) this.left = link.publisher;
  }

  /** @param {Problem} problem */
  nextLost(problem) {
    const { current } = this;
    this.refusals += 1;
    if (!current) return;
    if (current.publisher.pc.connectionState === "connected" && !this.forTrouble) {
      this.options.onKept(problem);
      return;
    }
    this.failures += 1;
    const delayMs = problem.retryAfterMs ?? retryDelayMs(this.failures, Math.random());
    this.retryTimer = setTimeout(() => this.forTrouble ? this.replaceForTrouble() : this.replace(), delayMs);
  }

  /**
   * Passes on to each link that sends.
   *
   * @param {(link: Link) => void} action
   */
  each(action) {
    for (const link of [this.current, this.next]) if (link) action(link);
  }

  /** @param {string} reason for frames still without an answer */
  close(reason) {
    this.attempt += 1;
    this.failures = 0;
    this.again = false;
    this.forTrouble = false;
    this.restUntilMs = 0;
    clearTimeout(this.retryTimer);
    this.discard();
    const { current, next, left } = this;
    this.current = null;
    this.next = null;
    this.left = null;
    this.endRetired();
    next?.close(reason);
    current?.close(reason);
    left?.remove();
  }
}
