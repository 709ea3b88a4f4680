/** What a page says, in the languages that it speaks: one member for each sentence, the same ones in all. */
import type { PublicState } from '@portcullis/contract';

const english = {
  state: {
    accepted: 'Accepted',
    on_its_way: 'On its way',
    returned: 'Sent back',
    stopped: 'STOPPED',
    known: 'Known',
  } as Record<PublicState, string>,
  meaning: {
    accepted: 'It has reached the end of its journey.',
    on_its_way: 'It is on its journey, and nothing stops it.',
    returned: 'It was sent back to where it came from.',
    stopped: 'Do not accept it. It was stopped by those who sent it.',
    known: 'It is one of this fleet. It has no journey.',
  } as Record<PublicState, string>,
  delivered: 'Already delivered',
  steps: 'Where it has been',
  done: 'done',
  expected: 'expected next',
  open: 'to come',
  by: 'by',
  claimed: 'the time is what the checkpoint said afterwards',
  corrected: 'recorded by a person',
  corrections: 'Corrections',
  declared: 'declared',
  voided: 'taken back',
  facts: 'What is known of it',
  since: 'since',
  nothing: 'Nothing more is public.',
  verified: 'What was verified',
  certificate: 'Certificate',
  standing: { valid: 'valid', suspended: 'suspended', revoked: 'revoked', superseded: 'replaced' },
  ended: 'ended',
  until: 'until',
  none: 'none',
  asOf: 'As of',
  goodUntil: 'Good until',
  fleet: 'Fleet',
  check: 'Check it yourself',
  how: 'This page is only as good as the address that it came from. The same is signed, and can be kept and checked without a network, against the root certificate of the fleet:',
  signedJson: 'signed JSON',
  signedCms: 'signed for OpenSSL',
  caution: 'A code can be copied. It tells about the shipment, not about the box that it is on.',
  more: 'more, in the signed answer',
  unknown: 'Nothing is known by this code.',
  unknownMore: 'Look again at each character, or the label was replaced.',
  often: 'Too many wrong codes came from here. Wait a moment.',
  stale: 'How it is now can not be told.',
  staleMore: 'This desk has not heard from the fleet for too long. Ask again in a while.',
};

export type Words = typeof english;

const german: Words = {
  state: {
    accepted: 'Angenommen',
    on_its_way: 'Unterwegs',
    returned: 'Zurückgeschickt',
    stopped: 'GESTOPPT',
    known: 'Bekannt',
  },
  meaning: {
    accepted: 'Die Sendung hat das Ende ihres Weges erreicht.',
    on_its_way: 'Die Sendung ist auf ihrem Weg, und nichts hält sie auf.',
    returned: 'Die Sendung ging dorthin zurück, woher sie kam.',
    stopped: 'Nicht annehmen. Die Sendung wurde von denen gestoppt, die sie geschickt haben.',
    known: 'Sie gehört zu dieser Flotte. Sie hat keinen Weg.',
  },
  delivered: 'Bereits zugestellt',
  steps: 'Wo sie war',
  done: 'erledigt',
  expected: 'als Nächstes erwartet',
  open: 'kommt noch',
  by: 'durch',
  claimed: 'die Zeit hat die Stelle im Nachhinein angegeben',
  corrected: 'von einem Menschen eingetragen',
  corrections: 'Berichtigungen',
  declared: 'eingetragen',
  voided: 'zurückgenommen',
  facts: 'Was über sie bekannt ist',
  since: 'seit',
  nothing: 'Mehr ist nicht öffentlich.',
  verified: 'Was geprüft wurde',
  certificate: 'Zertifikat',
  standing: { valid: 'gültig', suspended: 'ausgesetzt', revoked: 'widerrufen', superseded: 'ersetzt' },
  ended: 'abgelaufen',
  until: 'bis',
  none: 'keines',
  asOf: 'Stand',
  goodUntil: 'Gilt bis',
  fleet: 'Flotte',
  check: 'Selbst prüfen',
  how: 'Diese Seite ist nur so gut wie die Adresse, von der sie kam. Dasselbe gibt es signiert; es lässt sich aufheben und ohne Netz prüfen, gegen das Wurzelzertifikat der Flotte:',
  signedJson: 'signiertes JSON',
  signedCms: 'signiert für OpenSSL',
  caution: 'Ein Code lässt sich kopieren. Er sagt etwas über die Sendung, nicht über die Schachtel, auf der er steht.',
  more: 'weitere, in der signierten Antwort',
  unknown: 'Unter diesem Code ist nichts bekannt.',
  unknownMore: 'Bitte jedes Zeichen noch einmal ansehen; oder das Etikett wurde ersetzt.',
  often: 'Von hier kamen zu viele falsche Codes. Bitte einen Augenblick warten.',
  stale: 'Wie es jetzt steht, lässt sich nicht sagen.',
  staleMore: 'Diese Stelle hat zu lange nichts von der Flotte gehört. Bitte später noch einmal fragen.',
};

export type Language = 'en' | 'de';
export const catalogue: Record<Language, Words> = { en: english, de: german };

/** RFC 9110 §12.5.4: of those that are spoken here the one that is wanted most; English where none is. */
export function languageOf(accepted: string | undefined): Language {
  let best: { language: Language; quality: number } = { language: 'en', quality: 0 };
  for (const range of (accepted ?? '').slice(0, 512).split(',')) {
    const [, tag = '', quality = '1'] =
      /^\s*([a-z]{1,8})(?:-[a-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$/i.exec(range) ?? [];
    const language = tag.toLowerCase();
    if ((language === 'en' || language === 'de') && Number(quality) > best.quality)
      best = { language, quality: Number(quality) };
  }
  return best.language;
}
