/**
 * Real text in each language of the Python app, and in Hebrew and Thai: article 1 of the Universal Declaration of Human
 * Rights, and for the dialect of Tunisia a conversation. And the ways in which recognisers send it.
 */

/** Sentences by language id, as people write them. */
export const SENTENCES: Readonly<Record<string, string>> = {
  ar:
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلًا وضميرًا، وعليهم أن يعامل بعضهم بعضًا بروح الإخاء.",
  ar_TN: "شنوة أحوالك؟ أنا لاباس الحمد لله، وإنتي شنية جوك اليوم؟ باش نمشيو للسوق مع بعضنا غدوة الصباح.",
  br:
    "Dieub ha par en o dellezegezh hag o gwirioù eo ganet an holl dud. Poell ha skiant zo dezho ha dleout a reont bevañ an eil gant egile en ur spered a genvreudeuriezh.",
  ca:
    "Tots els éssers humans neixen lliures i iguals en dignitat i en drets. Són dotats de raó i de consciència, i els cal mantenir-se entre ells amb esperit de fraternitat.",
  cs:
    "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím a mají spolu jednat v duchu bratrství.",
  de:
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
  en:
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
  eo:
    "Ĉiuj homoj estas denaske liberaj kaj egalaj laŭ digno kaj rajtoj. Ili posedas racion kaj konsciencon, kaj devus konduti unu al alia en spirito de frateco.",
  es:
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros. ¿Está claro? ¡Sí!",
  fa:
    "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند. همه دارای عقل و وجدان هستند و باید نسبت به یکدیگر با روح برادری رفتار کنند.",
  fr:
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité. C'est l'article premier.",
  he:
    "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה.",
  hi:
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
  it:
    "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza. È l'articolo uno.",
  ja:
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
  kk:
    "Барлық адамдар тумысынан азат және қадір-қасиеті мен құқықтары тең болып дүниеге келеді. Адамдарға ақыл-парасат, ар-ождан берілген, сондықтан олар бір-бірімен туыстық, бауырмалдық қарым-қатынас жасаулары тиіс.",
  ko:
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
  nl:
    "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
  pl:
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
  pt:
    "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de consciência, devem agir uns para com os outros em espírito de fraternidade.",
  ru:
    "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
  te:
    "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు. వారు వివేదన-అంతఃకరణ సంపన్నులగుటచే పరస్పరము భ్రాతృభావముతో వర్తింపవలయును.",
  tg:
    "Тамоми одамон озод ва аз лиҳози шарафу ҳуқуқ бо ҳам баробар ба дунё меоянд. Онҳо соҳиби ақлу виҷдонанд ва бояд бо якдигар муносибати бародарона дошта бошанд.",
  th:
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
  tr:
    "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler.",
  uk:
    "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю і повинні діяти у відношенні один до одного в дусі братерства.",
  uz:
    "Barcha odamlar erkin, qadr-qimmat va huquqlarda teng bo‘lib tug‘iladilar. Ular aql va vijdon sohibidirlar va bir-birlari ila birodarlarcha muomala qilishlari zarur.",
  vi:
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Mọi con người đều được tạo hóa ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình anh em.",
  zh: "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
};

/** Words with the marks after them, without the spaces between: what a recogniser sends that sends whole words. */
export function wordsOf(languageId: string, text: string): string[] {
  if (!["ja", "zh", "th"].includes(languageId)) return text.split(" ");
  const words: string[] = [];
  const segmenter = new Intl.Segmenter(languageId, { granularity: "word" });
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    if (isWordLike || words.length === 0) words.push(segment);
    else words[words.length - 1] += segment;
  }
  return words;
}

/** The same, with every mark by itself. */
export function tokensOf(languageId: string, text: string): string[] {
  return wordsOf(languageId, text).flatMap((word) => {
    const marks = /^([¿¡]?)(.*?)([.,?!؟،。、，।]*)\s*$/u.exec(word) ?? [];
    return marks.slice(1).filter((part) => part !== "");
  });
}

/** Pieces of two code points, with their spaces, even within a letter and its marks: what a tokeniser makes of text. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  for (const word of ` ${text}`.split(/(?= )/)) {
    const points = [...word];
    for (let at = 0; at < points.length; at += 2) pieces.push(points.slice(at, at + 2).join(""));
  }
  return pieces;
}

/** A hypothesis that grows by a word, with its spaces. */
export function growing(languageId: string, text: string): string[] {
  const hypotheses: string[] = [];
  let end = 0;
  for (const word of wordsOf(languageId, text)) {
    end = text.indexOf(word, end) + word.length;
    hypotheses.push(text.slice(0, end).trimEnd());
  }
  return hypotheses;
}

/** The same with a space between all words: what Vosk sends, for Chinese and Japanese too. */
export function growingSpaced(languageId: string, text: string): string[] {
  const words = wordsOf(languageId, text).map((word) => word.trim());
  return words.map((_, at) => words.slice(0, at + 1).join(" "));
}
