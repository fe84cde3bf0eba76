/**
 * Places of the cases that are compared with each other, a list a stream. Streams differ in pace and
 * in how much payload they carry, for reasons of their own: a case that is compared with one of
 * another stream would show that difference, and not what payload does.
 */
export type Strata = readonly Uint32Array[];

/**
 * Puts cases of one stream together. Those that are alone in their stream can be compared with each
 * other only; each is of another stream, so that none counts for two.
 *
 * @param streams which stream each case is of, any number a stream; undefined where all are of one
 * @param count how many cases there are
 */
export function strataOf(streams: ArrayLike<number> | undefined, count: number): Strata {
  if (streams === undefined) return [Uint32Array.from({ length: count }, (_, i) => i)];
  const each = new Map<number, number[]>();
  for (let i = 0; i < count; i++) {
    const stream = streams[i] as number;
    const places = each.get(stream);
    if (places === undefined) each.set(stream, [i]);
    else places.push(i);
  }
  const all = [...each.values()];
  const several = all.filter(({ length }) => length > 1);
  const alone = all.filter(({ length }) => length === 1).flat();
  const strata = alone.length > 0 ? [...several, alone] : several;
  return strata.map((places) => Uint32Array.from(places));
}

/**
 * Strata in which there is something to compare: both labels.
 *
 * @param strata of all cases
 * @param labels 1 for a positive, 0 for a negative
 */
export function comparable(strata: Strata, labels: Uint8Array): Strata {
  return strata.filter((places) => {
    const first = labels[places[0] as number];
    return places.some((place) => labels[place] !== first);
  });
}

/**
 * Strata of a part of the cases, which are counted anew.
 *
 * @param strata of all cases
 * @param kept places of those that are left, rising
 * @param count how many cases there were
 */
export function strataAmong(strata: Strata, kept: Uint32Array, count: number): Strata {
  const streams = new Uint32Array(count);
  strata.forEach((places, stream) => {
    for (const place of places) streams[place] = stream;
  });
  return strataOf(
    kept.map((place) => streams[place] as number),
    kept.length,
  );
}
