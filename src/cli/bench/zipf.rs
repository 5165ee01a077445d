//! Popularity by Zipf's law: place `k` of `n` is asked for in proportion to `k^-s`.
//!
//! Drawn by rejection-inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates
//! from monotone discrete distributions", 1996): no table, whatever `n`, and about one draw for each.

/// A distribution over the places from 0 to `n` − 1, the first the most popular.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    exponent: f64,
    last: f64,
    /// The integral's values that uniform draws lie between.
    from: f64,
    to: f64,
    /// Draws this close to the place above them need no second look.
    squeeze: f64,
}

impl Zipf {
    /// Over `count` places, at least one; `exponent` 0 makes all alike.
    pub fn over(count: u64, exponent: f64) -> Zipf {
        let last = count.max(1) as f64;
        let mut zipf = Zipf { exponent, last, from: 0.0, to: 0.0, squeeze: 0.0 };
        zipf.from = zipf.integral(1.5) - 1.0;
        zipf.to = zipf.integral(last + 0.5);
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    pub fn pick(&self) -> u64 {
        loop {
            let drawn = self.to + fastrand::f64() * (self.from - self.to);
            let exact = self.inverse(drawn);
            let place = exact.round().clamp(1.0, self.last);
            if place - exact <= self.squeeze || drawn >= self.integral(place + 0.5) - self.weight(place) {
                return place as u64 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The integral of the weight, zero at 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        relative_exp((1.0 - self.exponent) * log) * log
    }

    fn inverse(&self, y: f64) -> f64 {
        // Rounding could otherwise leave what a logarithm takes.
        let t = (y * (1.0 - self.exponent)).max(-1.0);
        (relative_log(t) * y).exp()
    }
}

/// `(e^x − 1) / x`, 1 at 0.
fn relative_exp(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`, 1 at 0.
fn relative_log(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_as_often_as_the_law_says() {
        const DRAWS: u32 = 200_000;
        for exponent in [0.0, 0.7, 1.0, 1.2, 2.0] {
            let zipf = Zipf::over(50, exponent);
            let mut seen = [0_u32; 50];
            (0..DRAWS).for_each(|_| seen[zipf.pick() as usize] += 1);
            let all: f64 = (1..=50).map(|k| f64::from(k).powf(-exponent)).sum();
            for (place, seen) in seen.iter().enumerate() {
                let expected = f64::from(DRAWS) * (place as f64 + 1.0).powf(-exponent) / all;
                // Seven standard deviations: once in some 10^11 draws by chance.
                let spread = 7.0 * expected.sqrt() + 1.0;
                assert!((f64::from(*seen) - expected).abs() < spread, "{exponent} {place}: {seen}, not {expected}");
            }
        }
    }

    #[test]
    fn bounds_hold_for_few_and_many() {
        for count in [1, 2, 1_000_000_000] {
            for exponent in [0.0, 1.0, 10.0] {
                let zipf = Zipf::over(count, exponent);
                assert!((0..1000).all(|_| zipf.pick() < count), "{count} {exponent}");
            }
        }
    }
}
