import fc from 'fast-check';

/** One small damage to a byte string. */
interface Damage {
  readonly kind: 'flip' | 'set' | 'cut' | 'insert' | 'remove' | 'repeat';
  readonly at: number;
  readonly value: number;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'remove', 'repeat'),
  at: fc.nat(),
  value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
});

/** Up to four damages, to be dealt to bytes that were right. */
export const damages = fc.array(damage, { minLength: 1, maxLength: 4 });

/** A damaged copy of `bytes`. */
export function damaged(bytes: Uint8Array, dealt: readonly Damage[]): Uint8Array {
  let result = [...bytes];
  for (const { kind, at, value } of dealt) {
    const place = result.length === 0 ? 0 : at % result.length;
    switch (kind) {
      case 'flip':
        result[place] = (result[place] ?? 0) ^ (1 << (value & 7));
        break;
      case 'set':
        result[place] = value;
        break;
      case 'cut':
        result = result.slice(0, place);
        break;
      case 'insert':
        result.splice(place, 0, value);
        break;
      case 'remove':
        result.splice(place, 1);
        break;
      case 'repeat':
        result.splice(place, 0, ...result.slice(place, place + (value & 15)));
        break;
    }
  }
  return new Uint8Array(result);
}
