export const SLOTS = 16_384;
/** Slots are given to masters by the group, so that all keys of a group always have the same master. */
export const SLOT_GROUP = 512;

const CRC16_POLYNOMIAL = 0x1021;

/** The slot of a key without braces: CRC-16/XMODEM, as the specification of Redis Cluster has it. */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of new TextEncoder().encode(key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? CRC16_POLYNOMIAL : 0)) & 0xffff;
  }
  return crc % SLOTS;
}
