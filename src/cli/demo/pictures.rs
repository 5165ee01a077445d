//! The demo's pages and pictures, drawn here so that the demo needs no file.

/// A small scene as SVG: sky, sun, a wall against the sea, and its name.
pub fn scene(name: &str, sky: &str, sun: &str, sea: &str) -> String {
    let wave = |y: u32, opacity: &str| {
        let crests: String = (0..8).map(|_| "q 30 -22 60 0 t 60 0").collect::<Vec<_>>().join(" ");
        format!("<path d=\"M -20 {y} {crests} V 360 H -20 Z\" fill=\"{sea}\" opacity=\"{opacity}\"/>")
    };
    let stones: String = (0..11)
        .map(|stone| {
            format!("<rect x=\"{}\" y=\"205\" width=\"56\" height=\"34\" rx=\"4\" fill=\"#59616b\"/>", stone * 60 - 8)
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"360\" viewBox=\"0 0 640 360\" role=\"img\">\
         <title>{name}</title><rect width=\"640\" height=\"360\" fill=\"{sky}\"/>\
         <circle cx=\"500\" cy=\"110\" r=\"48\" fill=\"{sun}\"/>{}{stones}{}{}\
         <text x=\"24\" y=\"48\" font-family=\"sans-serif\" font-size=\"28\" fill=\"#ffffff\">{name}</text></svg>\n",
        wave(210, "0.5"),
        wave(260, "0.75"),
        wave(305, "1"),
    )
}

/// A page around `body`.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{font:17px/1.5 sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}img{{width:100%;border-radius:6px}}</style>\
         <h1>{title}</h1>{body}</html>\n"
    )
}
