import type { DandelionEffect, DandelionEvent } from "../../lib/dandelion/event.ts";
import type { Direction } from "../../lib/dandelion/flush.ts";
import type { DandelionOptions, DandelionRouter } from "../../lib/dandelion/router.ts";
import type { StemSource } from "../../lib/dandelion/stem-map.ts";

/** Makes the router that is watched. */
export type MakeRouter = (options: DandelionOptions, now: number) => DandelionRouter;

/** How long after the last event everything that is under way must have come to an end. */
const END_MS = 20 * 60_000;

interface Link {
  readonly direction: Direction;
  stems: boolean;
}

interface Track {
  /** Whether the router took it. */
  taken: boolean;
  /** Links that gave it as a stem. */
  readonly cameFrom: Set<number>;
  /** Links that showed it in public. */
  readonly shownBy: Set<number>;
  origin: StemSource | undefined;
  local: boolean;
  public: boolean;
  /** Whether a link was told, or somebody showed it. */
  told: boolean;
}

/** The text of a rule that a router broke. */
export class Breach extends Error {}

function must(holds: boolean, rule: string): void {
  if (!holds) throw new Breach(rule);
}

/**
 * Drives a router and checks after every event what it promises. Nobody answers the stems that it
 * sends, so every one of them has gone into a black hole unless the script says otherwise.
 */
export class RouterObserver {
  readonly router: DandelionRouter;
  readonly links = new Map<number, Link>();
  readonly tracks = new Map<string, Track>();
  now = 0;
  #lastLink = 0;
  /** Which stem each source has, in this epoch. */
  readonly #sticky = new Map<StemSource, number>();
  #epochEndsAt: number;

  constructor(make: MakeRouter, options: DandelionOptions) {
    this.router = make(options, 0);
    this.#epochEndsAt = this.router.status.epoch.endsAt;
  }

  /** The link at a place of the list of those that are there, or undefined without any. */
  linkAt(place: number): number | undefined {
    const links = [...this.links.keys()];
    return links[place % links.length];
  }

  join(direction: Direction, stems: boolean): number {
    const link = ++this.#lastLink;
    this.links.set(link, { direction, stems });
    this.handle({ kind: "joined", link, direction, stems });
    return link;
  }

  leave(link: number): void {
    this.links.delete(link);
    this.#unstick(link);
    this.handle({ kind: "left", link });
  }

  /** Lets time pass, with every wake-up that the router asks for. */
  wait(ms: number): void {
    const end = this.now + ms;
    for (let at = this.router.wakeAt; at <= end; at = this.router.wakeAt) {
      must(at >= this.now || at < 0, "it wants to be woken in the past");
      this.now = Math.max(this.now, at);
      this.#check(undefined, this.router.wake(this.now));
      must(this.router.wakeAt > this.now, "it wants to be woken again at once");
    }
    this.now = end;
  }

  handle(event: DandelionEvent): readonly DandelionEffect[] {
    this.wait(0);
    this.#before(event);
    const standing = "id" in event ? this.router.standing(event.id) : undefined;
    const effects = this.router.handle(event, this.now);
    this.#check(event, effects);
    if (event.kind === "stem" && (standing?.kind === "stem" || standing?.kind === "held")) {
      const after = this.router.standing(event.id);
      const alone = after?.kind === "held" && after.reason === "no-link";
      must(after?.kind === "public" || alone, "a stem that came a second time was not fluffed");
    }
    this.#after(event);
    return effects;
  }

  /** Lets everything come to its end, and checks that nothing is lost. */
  end(): void {
    this.wait(END_MS);
    const links = [...this.links.keys()];
    for (const [id, track] of this.tracks) {
      if (!track.taken || (track.public && track.told)) continue;
      const standing = this.router.standing(id);
      const stems = [...this.links.values()].some((one) => one.direction === "out" && one.stems);
      const held = standing?.kind === "held" && standing.reason === "no-stem";
      const nobody = links.every((link) => track.cameFrom.has(link));
      must(standing !== undefined, `${id} is lost: it is forgotten`);
      must(standing?.kind !== "stem", `${id} is lost: it is a stem for ever`);
      must((held && track.local && !stems) || nobody, `${id} is lost: nobody was told`);
    }
  }

  #track(id: string): Track {
    let track = this.tracks.get(id);
    if (track === undefined) {
      track = {
        taken: false,
        cameFrom: new Set(),
        shownBy: new Set(),
        origin: undefined,
        local: false,
        public: false,
        told: false,
      };
      this.tracks.set(id, track);
    }
    return track;
  }

  #before(event: DandelionEvent): void {
    if (!("id" in event)) return;
    const track = this.#track(event.id);
    if (event.kind === "stem" && track.origin === undefined) track.origin = event.link;
    if (event.kind === "local" || event.kind === "forward") {
      if (track.origin === undefined) track.local = event.kind === "local";
      track.origin ??= "own";
    }
    if (event.kind === "stem") track.cameFrom.add(event.link);
    if (event.kind === "unsent") this.#refuseStems(event.link);
    // Everybody is to be told again, also who had it.
    if (event.kind === "again") track.shownBy.clear();
    if (event.kind !== "unsent") track.taken = true;
  }

  #after(event: DandelionEvent): void {
    if (event.kind === "seen") this.#track(event.id).told = true;
    if (event.kind !== "fluff" || event.link === undefined) return;
    const track = this.#track(event.id);
    track.shownBy.add(event.link);
    track.told = true;
  }

  #refuseStems(link: number): void {
    const known = this.links.get(link);
    if (known !== undefined) known.stems = false;
    this.#unstick(link);
  }

  #unstick(link: number): void {
    this.#sticky.delete(link);
    for (const [source, stem] of this.#sticky) if (stem === link) this.#sticky.delete(source);
  }

  #check(event: DandelionEvent | undefined, effects: readonly DandelionEffect[]): void {
    const { epoch } = this.router.status;
    if (epoch.endsAt !== this.#epochEndsAt) {
      this.#epochEndsAt = epoch.endsAt;
      this.#sticky.clear();
    }
    for (const effect of effects) this.#checkEffect(event, effect);
    for (const [id, track] of this.tracks) {
      if (!track.taken) continue;
      const standing = this.router.standing(id);
      must(standing !== undefined, `${id} is lost: it is forgotten`);
      must(
        !track.public || standing?.kind === "public",
        "a public transaction is no longer public",
      );
    }
  }

  #checkEffect(event: DandelionEvent | undefined, effect: DandelionEffect): void {
    if (effect.kind === "refused") {
      this.#track(effect.id).taken = false;
    } else if (effect.kind === "public") {
      const track = this.#track(effect.id);
      must(!track.public, "a transaction became public twice");
      must(event?.kind !== "local", "a local transaction was fluffed where it began");
      track.public = true;
    } else if (effect.kind === "stem") {
      this.#checkStem(effect.id, effect.link, effect.embargoAt);
    } else if (effect.kind === "fluff") {
      this.#checkFluff(event, effect.link, effect.ids);
    }
  }

  #checkStem(id: string, link: number, embargoAt: number): void {
    const track = this.#track(id);
    const peer = this.links.get(link);
    must(peer?.direction === "out" && peer.stems, "a stem went to a link that may have none");
    must(!track.cameFrom.has(link), "a stem went back to the link that it came from");
    must(embargoAt >= this.now, "an embargo ended before it began");
    must(!track.public, "a public transaction left as a stem");
    must(track.local || !this.router.status.epoch.fluff, "a fluff epoch passed a stem on");
    const source = track.origin ?? "own";
    const had = this.#sticky.get(source);
    must(had === undefined || had === link, "a source's stem changed within an epoch");
    this.#sticky.set(source, link);
    must(new Set(this.#sticky.values()).size <= 2, "more than two stems in one epoch");
  }

  #checkFluff(event: DandelionEvent | undefined, link: number, ids: readonly string[]): void {
    must(this.links.has(link), "a fluff went to a link that is gone");
    must(ids.length > 0, "a fluff was empty");
    must([...new Set(ids)].sort().join() === ids.join(), "a fluff shows the order of arrival");
    for (const id of ids) {
      const track = this.#track(id);
      must(track.public, "a fluff went out before it was public");
      must(!track.shownBy.has(link), "a fluff went to a link that had shown it");
      if (event !== undefined && "id" in event && event.id === id && "link" in event) {
        must(event.link !== link, "a fluff went back to the link that caused it");
      }
      track.told = true;
    }
  }
}
