/**
 * A network that is kept apart from the others: its own peers, connections, identity and
 * knowledge. The type parameter `Z extends Zone` of an address is carried all the way to the
 * dialer, so that the compiler refuses to mix them.
 */
export type Zone = "public" | "tor" | "i2p";

/** Every zone, in the order in which they are shown. */
export const zones: readonly Zone[] = ["public", "tor", "i2p"];

/** A zone that hides where its members are. */
export type AnonymityZone = Exclude<Zone, "public">;
