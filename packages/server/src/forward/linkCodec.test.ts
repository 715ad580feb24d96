import { ByteWriter, TopGunError } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginMessage, endMessage, PartKind, readHead, readParts, Sender, writePart } from './linkCodec.js';
import { decodePassport, encodePassport } from './passport.js';

interface Part {
  readonly kind: PartKind;
  readonly channel: number;
  readonly bytes: Uint8Array;
}

const side = fc.record({
  linkId: fc.string({ unit: 'grapheme', maxLength: 20 }),
  nodeId: fc.string({ unit: 'grapheme', maxLength: 20 }),
  sender: fc.constantFrom(Sender.ORIGIN, Sender.HOST),
});
const part: fc.Arbitrary<Part> = fc.record({
  kind: fc.constantFrom(...Object.values(PartKind)),
  channel: fc.maxSafeNat(),
  bytes: fc.uint8Array({ maxLength: 200 }),
});
const parts = fc.array(part, { maxLength: 10 });

function messageOf(
  from: typeof side extends fc.Arbitrary<infer T> ? T : never,
  number: number,
  sent: Part[],
): Uint8Array {
  const writer = new ByteWriter();
  beginMessage(writer, from, number);
  for (const { kind, channel, bytes } of sent) writePart(writer, kind, channel, bytes);
  return writer.toBytes();
}

describe('a message between nodes', () => {
  it('arrives as it was sent', () => {
    fc.assert(
      fc.property(side, fc.maxSafeNat(), parts, (from, number, sent) => {
        const head = readHead(messageOf(from, number, sent));
        expect(head).toMatchObject({ ...from, number });
        const got: Part[] = [];
        readParts(head.parts, (kind, channel, bytes) => got.push({ kind, channel, bytes: bytes.slice() }));
        expect(got).toEqual(sent);
      }),
    );
  });

  it('may be the end of the link', () => {
    fc.assert(
      fc.property(side, (from) => {
        expect(readHead(endMessage(from))).toMatchObject({ ...from, number: null });
      }),
    );
  });

  it('is read or refused, whatever its bytes', () => {
    const spoiled = fc
      .tuple(side, parts, fc.nat(), fc.nat({ max: 255 }), fc.nat())
      .map(([from, sent, at, byte, cut]) => {
        const bytes = messageOf(from, 7, sent);
        bytes[at % bytes.length] = byte;
        return bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : bytes.length);
      });
    fc.assert(
      fc.property(fc.oneof(spoiled, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        try {
          readParts(readHead(bytes).parts, () => undefined);
        } catch (error) {
          expect(error).toBeInstanceOf(TopGunError);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a passport', () => {
  const identity = { subject: 'ann', roles: ['admin'], claims: { sub: 'ann', deep: { a: [1, null] } }, expiresAt: 5 };

  it('says who the client is', () => {
    expect(decodePassport(encodePassport({ clientId: 'c1', identity }))).toEqual({ clientId: 'c1', identity });
  });

  it('leaves out what is no data', () => {
    const claims = { sub: 'ann', ask: () => 1, none: undefined };
    const passport = decodePassport(encodePassport({ clientId: 'c1', identity: { ...identity, claims } }));
    expect(passport?.identity.claims).toEqual({ sub: 'ann' });
  });

  it('is none when it is anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(decodePassport(bytes)).toBeNull();
      }),
    );
  });
});
