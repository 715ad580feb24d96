import { decodeValue, encodeValue } from '@topgunbuild/core';
import type { z } from 'zod';

/** What nodes tell each other through the registry and the bus, to and from bytes. */
export interface DocumentCodec<T> {
  encode(document: T): Uint8Array;
  /** Null: not such a document. Whoever reads it goes on without; it is never a reason to fail. */
  decode(bytes: Uint8Array): T | null;
}

export function documentCodec<T>(schema: z.ZodType<T>): DocumentCodec<T> {
  return {
    encode: (document) => encodeValue(document),
    decode: (bytes) => {
      try {
        const parsed = schema.safeParse(decodeValue(bytes));
        return parsed.success ? parsed.data : null;
      } catch {
        return null;
      }
    },
  };
}
