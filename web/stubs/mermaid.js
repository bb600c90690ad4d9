/* Excalidraw imports this module lazily for its "Mermaid to Excalidraw" dialog and when pasted
 * text looks like a diagram definition. The real one is 3.5 MB; here every definition is refused,
 * and pasted text stays text. */
export function parseMermaidToExcalidraw() {
  return Promise.reject(new Error('Mermaid diagrams are not part of this build'))
}
