/**
 * The XMP sidecar of a tagged photo, for digiKam, darktable and other photo tools: the tag as a
 * keyword (`dc:subject`) and below "RE-Tagger" in the tree of keywords (`lr:hierarchicalSubject`).
 * The photo itself is never rewritten.
 */
export function xmpOf(tag: string): string {
  return `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
  <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description rdf:about=""
        xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:lr="http://ns.adobe.com/lightroom/1.0/">
      <dc:subject>
        <rdf:Bag>
          <rdf:li>${escaped(tag)}</rdf:li>
        </rdf:Bag>
      </dc:subject>
      <lr:hierarchicalSubject>
        <rdf:Bag>
          <rdf:li>RE-Tagger|${escaped(tag.replaceAll('|', '/'))}</rdf:li>
        </rdf:Bag>
      </lr:hierarchicalSubject>
    </rdf:Description>
  </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`;
}

/** Whether it is a sidecar as `xmpOf` writes it, for whichever tag, and nobody has added to it. */
export function isXmpOfOurs(text: string): boolean {
  const [, tag] = /<rdf:li>(.*)<\/rdf:li>/.exec(text) ?? [];
  return tag !== undefined && xmpOf(unescaped(tag)) === text;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const unescaped = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
