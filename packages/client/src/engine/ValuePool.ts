import { ByteWriter, writeValue } from '@topgunbuild/core';

const SLAB_BYTES = 16 * 1024;
/** With less room a slab is given up: few values would fit, and growing it for one costs more than it saves. */
const MIN_ROOM = 512;

/**
 * Encodes the values of operations one behind the other into slabs. A byte array of its own for each value would cost more
 * than encoding it. A slab lives as long as any of its values, so nothing may keep them but the op-log.
 */
export class ValuePool {
  /** Null while in use: a getter of the value may write as well. */
  #writer: ByteWriter | null = null;

  /** The bytes of `value`, which stay as they are. @throws as `encodeValue` does */
  encode(value: unknown): Uint8Array {
    const writer = this.#writer ?? new ByteWriter(SLAB_BYTES);
    this.#writer = null;
    const start = writer.length;
    try {
      writeValue(writer, value);
      // A value that was too long for the slab has made it grow.
      if (writer.bytes.length > SLAB_BYTES) return writer.bytes.slice(start, writer.length);
      return writer.bytes.subarray(start, writer.length);
    } finally {
      if (writer.bytes.length === SLAB_BYTES && SLAB_BYTES - writer.length >= MIN_ROOM) this.#writer = writer;
    }
  }
}
