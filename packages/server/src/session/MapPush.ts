import { encodeMessage, mapDelta, type PartitionMap, type Runtime } from '@topgunbuild/core';
import { Slices } from './Slices.js';

/** What a peer was sent last. */
export type KnownMap = Pick<PartitionMap, 'incarnation' | 'version'>;

/** Who is told of changes of the map. */
export interface MapReader {
  /** Takes what `push` has for it, if it wants any. */
  takeMap(push: MapPush): void;
}

/** Maps kept to tell their differences from: enough for peers that saw one of the last changes. */
const MAX_KEPT = 8;
const READERS_PER_TURN = 500;

/** Tells every session of each change of the map, some in each turn of the event loop, encoding it once for all. */
export class MapPush {
  readonly #slices: Slices<MapReader>;
  #map: PartitionMap;
  #kept: PartitionMap[];
  readonly #frames = new Map<number, Uint8Array>();
  #whole: Uint8Array | null = null;

  constructor(map: PartitionMap, runtime: Runtime) {
    this.#map = map;
    this.#kept = [map];
    this.#slices = new Slices(runtime, READERS_PER_TURN, (reader) => reader.takeMap(this));
  }

  get map(): PartitionMap {
    return this.#map;
  }

  changed(map: PartitionMap, readers: Iterable<MapReader>): void {
    if (map.incarnation === this.#map.incarnation && map.version <= this.#map.version) return;
    this.#map = map;
    this.#kept = [...this.#kept, map].slice(-MAX_KEPT);
    this.#frames.clear();
    this.#whole = null;
    this.#slices.start(readers);
  }

  /** The message that brings a peer up to date; null = it is. */
  frameFor(known: KnownMap | null): Uint8Array | null {
    const { incarnation, version } = this.#map;
    if (known === null || known.incarnation !== incarnation) return this.#wholeFrame();
    if (known.version >= version) return null;
    let frame = this.#frames.get(known.version);
    if (frame === undefined) {
      frame = this.#deltaFrame(known.version);
      this.#frames.set(known.version, frame);
    }
    return frame;
  }

  #deltaFrame(version: number): Uint8Array {
    const { incarnation } = this.#map;
    const from = this.#kept.find((map) => map.version === version && map.incarnation === incarnation);
    const delta = from === undefined ? null : mapDelta(from, this.#map);
    const whole = this.#wholeFrame();
    if (delta === null) return whole;
    const frame = encodeMessage({ type: 'PARTITION_MAP_DELTA', delta });
    return frame.length < whole.length ? frame : whole;
  }

  #wholeFrame(): Uint8Array {
    this.#whole ??= encodeMessage({ type: 'PARTITION_MAP', map: this.#map });
    return this.#whole;
  }
}
