import type { RelayEffect } from "../../lib/relay/event.ts";
import type { VirtualNetwork, VirtualNode, Watcher } from "./virtual-network.ts";

/** A digest of every effect of every node with its time: two runs that agree in it are the same. */
export class EffectDigest implements Watcher {
  readonly #network: VirtualNetwork;
  readonly #numbers = new Map<VirtualNode, number>();
  #hash = 0n;
  /** Events that the cores were told. */
  events = 0;

  constructor(network: VirtualNetwork) {
    this.#network = network;
  }

  before(): void {
    this.events++;
  }

  effect(node: VirtualNode, effect: RelayEffect): void {
    const at = `${this.#network.clock.now()} ${this.#numberOf(node)} ${effect.kind}`;
    if (effect.kind === "write") {
      this.#add(`${at} ${effect.link} ${effect.by}`);
      this.#add(effect.bytes);
    } else this.#add(`${at} ${Bun.inspect(effect)}`);
  }

  #numberOf(node: VirtualNode): number {
    const known = this.#numbers.get(node) ?? this.#numbers.size;
    this.#numbers.set(node, known);
    return known;
  }

  /** The digest of what happened so far. */
  get text(): string {
    return this.#hash.toString(16);
  }

  #add(data: string | Uint8Array): void {
    this.#hash = Bun.hash.xxHash64(data, this.#hash);
  }
}
