/**
 * Eleven base-36 characters that stand for a token's subject in replica ids, so that a server can tell, without keeping
 * a registry, that an op was made under the subject that sends it. A 53-bit hash: a label, not a secret.
 */
export function subjectTag(subject: string): string {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let i = 0; i < subject.length; i++) {
    const unit = subject.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit ^ (low >>> 15), 0x85ebca6b);
  }
  const value = (high >>> 11) * 2 ** 32 + (low >>> 0);
  return value.toString(36).padStart(11, '0');
}
