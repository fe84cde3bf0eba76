import type { Zone } from "../../lib/address/zone.ts";
import type { NodeView } from "./large-view.ts";
import type { VirtualNode } from "./virtual-network.ts";

/** What the rules have to know of how a node is set up. */
export interface NodeSetting {
  readonly zones: readonly Zone[];
  /** The noise schedule's shortest and longest wait, in milliseconds. */
  readonly waitMs: { readonly min: number; readonly max: number };
  readonly outboundMax: number;
  readonly inboundMax: number;
  /** Whether a stream that carried a wallet's transaction may carry another. */
  readonly streamReuse: "refuse" | "allow";
  /** Whether what came over an anonymity zone goes on in the same zone. */
  readonly forwardsInZone: boolean;
  /** Whether frames leave at every tick, or only where there is something to say. */
  readonly noise: "on" | "silent";
}

/** The names of the rules; every breach begins with one. */
export type RuleName =
  | "one zone's knowledge"
  | "a wallet's path"
  | "a wallet's transaction is kept"
  | "queues in bounds"
  | "whole frames at ticks"
  | "one stream, one transaction"
  | "sources apart"
  | "hidden until public"
  | "only what is due is said";

/** A rule that was broken. */
export class BrokenRule extends Error {
  readonly rule: RuleName;

  constructor(rule: RuleName, what: string) {
    super(what);
    this.name = "BrokenRule";
    this.rule = rule;
  }
}

/** What a rule is checked with. */
export interface RuleContext {
  readonly node: VirtualNode;
  readonly view: NodeView;
  readonly setting: NodeSetting;
  /** Milliseconds. */
  readonly now: number;
}
