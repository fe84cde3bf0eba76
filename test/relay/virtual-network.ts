import { type Address, formatAddress, parseAddressOf } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { commandLimits } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import type { LinkEvent, LinkId, Notice, RelayEffect } from "../../lib/relay/event.ts";
import type { RestoredTransaction } from "../../lib/relay/pool.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import type { Timer } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";

/** What left a node on one link: when, how many bytes, and by which path. */
export interface Sent {
  readonly at: number;
  readonly link: LinkId;
  readonly bytes: Uint8Array;
  readonly by: "tick" | "control";
}

interface End {
  readonly node: VirtualNode;
  readonly link: LinkId;
  readonly reader: LevinReader;
  peer: End | undefined;
}

/** A core on the virtual network, with a store that is a map. */
export class VirtualNode {
  readonly core: RelayCore;
  readonly address: Address<"tor">;
  readonly sent: Sent[] = [];
  readonly notices: Notice[] = [];
  readonly dials: string[] = [];
  readonly ends = new Map<LinkId, End>();
  readonly #network: VirtualNetwork;
  #timer: Timer | undefined;

  constructor(
    network: VirtualNetwork,
    address: Address<"tor">,
    options: Omit<RelayOptions, "network" | "random">,
    seed: number,
  ) {
    this.#network = network;
    this.address = address;
    this.core = new RelayCore(
      { network: networks.regtest, random: new SeededRandom(seed), ...options },
      network.clock.now(),
    );
    this.arm();
  }

  submit(blob: Uint8Array): void {
    const { clock } = this.#network;
    const admission = this.core.admit(blob);
    if (admission.kind !== "admitted") throw new Error(JSON.stringify(admission));
    this.apply(this.core.submit(blob, clock.now(), clock.unixMs()).effects);
  }

  tell(event: LinkEvent): void {
    const { clock } = this.#network;
    this.apply(this.core.handle("tor", event, clock.now(), clock.unixMs()));
  }

  apply(effects: readonly RelayEffect[]): void {
    for (const effect of effects) this.#carryOut(effect);
    this.arm();
  }

  arm(): void {
    this.#timer?.cancel();
    const at = this.core.wakeAt;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#network.clock.setTimer(at, () =>
      this.apply(this.core.wake(this.#network.clock.now())),
    );
  }

  #carryOut(effect: RelayEffect): void {
    const { clock } = this.#network;
    switch (effect.kind) {
      case "write":
        this.sent.push({ at: clock.now(), link: effect.link, bytes: effect.bytes, by: effect.by });
        this.#network.deliver(this.ends.get(effect.link), effect.bytes);
        return;
      case "dial":
        this.dials.push(formatAddress(effect.address));
        this.#network.connect(this, effect.link, formatAddress(effect.address));
        return;
      case "close":
        this.#network.disconnect(this.ends.get(effect.link));
        return;
      case "handshake-done":
        this.ends.get(effect.link)?.reader.setHandshakeDone();
        return;
      case "notice":
        this.notices.push(effect);
        return;
      case "remember":
      case "record":
      case "forget":
        return;
    }
  }
}

/** Nodes that reach each other by onion name over links with a fixed delay, in virtual time. */
export class VirtualNetwork {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<string, VirtualNode>();
  readonly #delayMs: number;
  #keys = 0;

  constructor(delayMs = 50) {
    this.#delayMs = delayMs;
  }

  /** A fresh onion address. */
  name(): Address<"tor"> {
    return parseAddressOf(`${onionName(new Uint8Array(32).fill(++this.#keys))}:18083`, "tor");
  }

  add(
    options: {
      zone?: Partial<ZoneOptions<"tor">>;
      relay?: Partial<RelayOptions>;
      address?: Address<"tor">;
      restored?: readonly RestoredTransaction[];
      seed?: number;
    } = {},
  ): VirtualNode {
    const address = options.address ?? this.name();
    const zone: ZoneOptions<"tor"> = {
      zone: "tor",
      targets: [],
      outboundMax: 12,
      inboundMax: 64,
      ...options.zone,
    };
    const relay = {
      ...options.relay,
      zones: [zone],
      ...(options.restored === undefined ? {} : { restored: options.restored }),
    };
    const node = new VirtualNode(this, address, relay, options.seed ?? this.nodes.size + 1);
    this.nodes.set(formatAddress(address), node);
    return node;
  }

  connect(from: VirtualNode, link: LinkId, to: string): void {
    this.#later(() => {
      const node = this.nodes.get(to);
      const accepted = node?.core.accept("tor", this.clock.now());
      if (node === undefined || accepted === undefined) {
        from.tell({
          kind: "dial-failed",
          link,
          where: "network",
          reason: "the onion is not there",
        });
        return;
      }
      const near: End = end(from, link);
      const far: End = end(node, accepted);
      near.peer = far;
      far.peer = near;
      from.ends.set(link, near);
      node.ends.set(accepted, far);
      node.arm();
      from.tell({ kind: "dialed", link });
    });
  }

  deliver(from: End | undefined, bytes: Uint8Array): void {
    const to = from?.peer;
    if (to === undefined) return;
    this.#later(() => {
      if (to.node.ends.get(to.link) !== to) return;
      to.reader.push(bytes);
      for (let found = to.reader.next(); found !== undefined; found = to.reader.next()) {
        const { link } = to;
        if (found.kind === "message")
          to.node.tell({ kind: "message", link, message: found.message });
        else to.node.tell({ kind: "heard", link });
      }
    });
  }

  disconnect(from: End | undefined): void {
    if (from === undefined) return;
    from.node.ends.delete(from.link);
    const { peer } = from;
    if (peer === undefined) return;
    this.#later(() => {
      if (!peer.node.ends.delete(peer.link)) return;
      peer.node.tell({
        kind: "closed",
        link: peer.link,
        where: "peer",
        reason: "it closed the stream",
      });
    });
  }

  #later(run: () => void): void {
    this.clock.setTimer(this.clock.now() + this.#delayMs, run);
  }
}

function end(node: VirtualNode, link: LinkId): End {
  return { node, link, reader: new LevinReader({ limits: commandLimits }), peer: undefined };
}
